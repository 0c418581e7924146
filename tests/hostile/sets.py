"""A small data set that passes, and ways to change it before it is packed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image

from tests.hostile.case import Make

Files = dict[str, bytes]
Change = Callable[[Files], object]

YAML = b"train: images/train\nval: images/val\ntest: images/test\nnames: [ring, chain]\n"
FIRST = "images/train/0.png"
LABEL = "labels/train/0.txt"


@cache
def picture(side: int = 16, shade: int = 0, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 90, 200)).save(buffer, kind)
    return buffer.getvalue()


def good() -> Files:
    """Twelve train, two val and two test images, each with one box."""
    files = {"data.yaml": YAML}
    for split, count in (("train", 12), ("val", 2), ("test", 2)):
        for number in range(count):
            files[f"images/{split}/{number}.png"] = picture(shade=len(files))
            files[f"labels/{split}/{number}.txt"] = b"1 0.5 0.5 0.25 0.25\n"
    return files


def pack(files: Files) -> bytes:
    """The same bytes at any time of day: fuzzing begins with them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            target.writestr(entry, content)
    return buffer.getvalue()


def changed(change: Change) -> Make:
    def make(canary: Path) -> bytes:
        files = good()
        change(files)
        return pack(files)

    return make


def replaced(name: str, content: bytes) -> Make:
    """The good set with the file ``name`` added or replaced."""
    return changed(lambda files: files.update({name: content}))
