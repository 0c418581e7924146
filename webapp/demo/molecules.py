"""A data set of molecule drawings in YOLO layout: real molecules, generated pictures, exact boxes.

The molecules are the 5,000 NCI structures that come with RDKit. Splits are by molecule. A class
with fewer test boxes than asked for would be scored on chance, so molecules that show it are left
out, and its name is returned.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import yaml
from rdkit import Chem, RDConfig, RDLogger

from webapp.demo.drawings import BONDS, Sketch, picture, sketch

SPLITS = ("test", "val", "train")  # in the order in which they are filled
ATOMS = range(4, 19)  # heavy atoms: readable at 320 px
POOL = 4  # molecules looked at for every image asked for: room for those that are dropped
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Molecules:
    """What was made: boxes per split and class, and the classes that were left out."""

    folder: Path
    images: dict[str, int]
    boxes: dict[str, dict[str, int]]
    left_out: dict[str, int]


def build(
    folder: Path,
    *,
    names: Mapping[int, str],
    images: Mapping[str, int],
    size: int,
    min_test_boxes: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Molecules:
    """Writes images/, labels/ and data.yaml into ``folder``; equal arguments give equal bytes.

    ``names`` maps class index to class name, as the model to be trained has them; ``images`` says
    how many pictures train, val and test get. ``left_out`` of the result maps each class that was
    dropped to the number of boxes it had in the test split before.

    Raises:
        ValueError: there are fewer fit molecules than images asked for.
    """
    index = {name: number for number, name in names.items()}
    total, done = sum(images.values()), 0
    pool = list(islice(_sketches(seed), POOL * total))
    chosen, left_out = _choose(pool, set(index), images=images, min_test_boxes=min_test_boxes)
    for split, sketches in chosen.items():
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        stems = [f"{number:04d}" for number in range(len(sketches))]
        for stem, drawn in zip(stems, sketches, strict=True):
            (folder / "labels" / split / f"{stem}.txt").write_text(_label(drawn, index))
        pictures = [folder / "images" / split / f"{stem}.png" for stem in stems]
        with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as painters:
            for _ in painters.map(_draw, sketches, pictures, repeat(size), chunksize=8):
                done += 1
                if progress:
                    progress(done, total)
    document: dict[str, object] = {s: f"images/{s}" for s in ("train", "val", "test")}
    document["names"] = dict(names)
    (folder / "data.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return Molecules(
        folder=folder,
        images={split: len(sketches) for split, sketches in chosen.items()},
        boxes={split: dict(_count(sketches)) for split, sketches in chosen.items()},
        left_out=left_out,
    )


def pack(folder: Path, archive: Path) -> str:
    """Zips ``folder`` so that equal content gives an equal file; returns its sha256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (2000, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            out.writestr(entry, path.read_bytes())
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _draw(drawn: Sketch, path: Path, size: int) -> None:
    picture(drawn, size).save(path)


def _sketches(seed: int) -> Iterator[Sketch]:
    """Every molecule that can be drawn with known bonds, once, in an order fixed by ``seed``."""
    RDLogger.DisableLog("rdApp.*")
    path = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
    lines = path.read_text().splitlines()
    random = np.random.default_rng(seed)
    random.shuffle(lines)
    seen = set()
    for line in lines:
        molecule = Chem.MolFromSmiles(line.split()[0])
        angle = int(random.integers(0, 360))
        if molecule is None or not _drawable(molecule):
            continue
        smiles = Chem.MolToSmiles(molecule, isomericSmiles=False)
        if smiles not in seen:
            seen.add(smiles)
            yield sketch(smiles, angle)


def _drawable(molecule: Chem.Mol) -> bool:
    if molecule.GetNumHeavyAtoms() not in ATOMS or len(Chem.GetMolFrags(molecule)) != 1:
        return False
    if any(a.GetFormalCharge() or a.GetIsotope() for a in molecule.GetAtoms()):
        return False
    kekule = Chem.Mol(molecule)
    try:
        Chem.Kekulize(kekule, clearAromaticFlags=True)
    except Chem.KekulizeException:
        return False
    return all(bond.GetBondTypeAsDouble() in BONDS for bond in kekule.GetBonds())


def _choose(
    sketches: list[Sketch], known: set[str], *, images: Mapping[str, int], min_test_boxes: int
) -> tuple[dict[str, list[Sketch]], dict[str, int]]:
    """The sketches of each split, after the classes too rare to be scored were dropped.

    One class goes at a time, the rarest first: the molecules that take the place of the dropped
    ones can lift another class over the threshold.
    """
    left_out: dict[str, int] = {}
    while True:
        fit = [s for s in sketches if all(box.name in known - set(left_out) for box in s.boxes)]
        if len(fit) < sum(images.values()):
            wanted = sum(images.values())
            raise ValueError(f"{len(fit)} molecules fit, {wanted} images were asked for")
        boxes = _count(fit[: images["test"]])
        rare = {name: n for name, n in boxes.items() if n < min_test_boxes}
        # A class that is nowhere in test must not be in the other splits either.
        rare |= {name: 0 for name in _count(fit) if name not in boxes}
        if not rare:
            break
        name = min(rare, key=lambda name: (rare[name], name))
        left_out[name] = rare[name]
    chosen, start = {}, 0
    for split in SPLITS:
        chosen[split] = fit[start : start + images[split]]
        start += images[split]
    return chosen, left_out


def _count(sketches: list[Sketch]) -> Counter[str]:
    return Counter(box.name for drawn in sketches for box in drawn.boxes)


def _label(drawn: Sketch, index: Mapping[str, int]) -> str:
    rows = []
    for box in drawn.boxes:
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        width, height = box.x1 - box.x0, box.y1 - box.y0
        rows.append(f"{index[box.name]} {x:.6f} {y:.6f} {width:.6f} {height:.6f}\n")
    return "".join(rows)
