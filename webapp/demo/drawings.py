"""One molecule drawing with exact boxes, from RDKit's own geometry.

A box around an atom label holds its glyphs (outlines read from the SVG drawing) and a margin; a
box of a bond holds the middle two thirds of the line between its atoms.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rdkit import Chem
from rdkit.Chem import AllChem
from rdkit.Chem.Draw import rdMolDraw2D

CANVAS = 640  # drawn at this size, scaled down afterwards
GLYPH_MARGIN = 4.0  # pixels of CANVAS
BOND_TRIM = 0.17  # of its length, at each end
BOND_MARGIN = 0.10  # of its length, on every side
SUBSCRIPT = 0.8  # a glyph lower than this share of the element's is a digit
BONDS = {1.0: "Single", 2.0: "Double", 3.0: "Triple"}

_GLYPH = re.compile(r"<path class='atom-(\d+)' d='([^']+)'")
_NUMBER = re.compile(r"-?\d+\.?\d*")

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A labelled rectangle; corners in 0..1 of the picture."""

    name: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Sketch:
    """A molecule with its coordinates, the angle it is drawn at and its boxes."""

    smiles: str
    angle: int
    boxes: tuple[Box, ...]


def sketch(smiles: str, angle: int) -> Sketch:
    """The boxes of the drawing of ``smiles``, turned by ``angle`` degrees.

    Raises:
        ValueError: RDKit cannot draw the molecule in Kekulé form.
    """
    molecule = _laid_out(smiles)
    svg = rdMolDraw2D.MolDraw2DSVG(CANVAS, CANVAS)
    _draw(svg, molecule, angle)
    boxes = [*_label_boxes(svg, molecule), *_bond_boxes(svg, molecule)]
    return Sketch(smiles, angle, tuple(boxes))


def picture(drawn: Sketch, size: int) -> Image.Image:
    """The drawing itself, RGB, ``size`` pixels square."""
    canvas = rdMolDraw2D.MolDraw2DCairo(CANVAS, CANVAS)
    _draw(canvas, _laid_out(drawn.smiles), drawn.angle)
    image = Image.open(io.BytesIO(canvas.GetDrawingText())).convert("RGB")
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _laid_out(smiles: str) -> Chem.Mol:
    molecule = Chem.MolFromSmiles(smiles)
    Chem.RemoveStereochemistry(molecule)
    AllChem.Compute2DCoords(molecule)
    return molecule


def _draw(canvas: rdMolDraw2D.MolDraw2D, molecule: Chem.Mol, angle: int) -> None:
    options = canvas.drawOptions()
    options.useBWAtomPalette()
    options.rotate = angle
    options.padding = 0.08
    canvas.DrawMolecule(molecule)
    canvas.FinishDrawing()


def _label_boxes(svg: rdMolDraw2D.MolDraw2DSVG, molecule: Chem.Mol) -> list[Box]:
    glyphs: dict[int, list[Points]] = defaultdict(list)
    for index, outline in _GLYPH.findall(svg.GetDrawingText()):
        numbers = np.array([float(number) for number in _NUMBER.findall(outline)])
        glyphs[int(index)].append(numbers.reshape(-1, 2))
    boxes = []
    for atom in molecule.GetAtoms():
        drawn = glyphs.get(atom.GetIdx())
        if not drawn:
            continue  # a carbon in the skeleton has no label
        centre = svg.GetDrawCoords(atom.GetIdx())
        drawn.sort(key=lambda points: _distance(points, centre.x, centre.y))
        letters = len(atom.GetSymbol())
        element, rest = drawn[:letters], drawn[letters:]
        boxes.append(_box(atom.GetSymbol(), np.concatenate(element), GLYPH_MARGIN))
        tall = [points for points in rest if _height(points) >= SUBSCRIPT * _height(element[0])]
        boxes += [_box("H", points, GLYPH_MARGIN) for points in tall]
    return boxes


def _bond_boxes(svg: rdMolDraw2D.MolDraw2DSVG, molecule: Chem.Mol) -> list[Box]:
    kekule = Chem.Mol(molecule)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    boxes = []
    for bond in kekule.GetBonds():
        ends = [svg.GetDrawCoords(i) for i in (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())]
        begin, end = (np.array([point.x, point.y]) for point in ends)
        middle = np.stack([begin + BOND_TRIM * (end - begin), end - BOND_TRIM * (end - begin)])
        margin = BOND_MARGIN * float(np.linalg.norm(end - begin))
        boxes.append(_box(BONDS[bond.GetBondTypeAsDouble()], middle, margin))
    return boxes


def _box(name: str, points: Points, margin: float) -> Box:
    low = np.clip((points.min(axis=0) - margin) / CANVAS, 0, 1)
    high = np.clip((points.max(axis=0) + margin) / CANVAS, 0, 1)
    return Box(name, float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _distance(points: Points, x: float, y: float) -> float:
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return float(np.hypot(middle[0] - x, middle[1] - y))


def _height(points: Points) -> float:
    return float(np.ptp(points[:, 1]))
