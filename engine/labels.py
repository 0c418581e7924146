"""Label files in YOLO form: one line a box, ``class x y w h`` in 0..1 of the image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadDataSet

__all__ = ["Boxes", "letterboxed", "read", "write"]

Boxes = NDArray[np.float32]  # [k, 5]: class, x, y, w, h of box centres and sizes

MAX_BYTES = 4 * 2**20
MAX_BOXES = 20_000
SLACK = 1e-3  # rounding of label tools at the image border


def read(path: Path, *, classes: int, shown: str | None = None) -> Boxes:
    """The boxes in the label file ``path`` as float32 [k, 5], without repeated lines.

    A line of more than five numbers is a polygon, which becomes the box around it, as in
    ultralytics. ``shown`` is the name used in messages.

    Raises:
        BadDataSet: a line is no box of one of ``classes`` classes; the message names file and line.
    """
    shown = shown or path.name
    if path.stat().st_size > MAX_BYTES:
        raise BadDataSet(f"{shown} is larger than {MAX_BYTES // 2**20} MiB")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise BadDataSet(f"{shown} is not text; a label file holds lines 'class x y w h'") from None
    rows: dict[tuple[float, ...], None] = {}  # a dict keeps the order and drops repetitions
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows[_row(line.split(), f"{shown} line {number}", classes)] = None
    if len(rows) > MAX_BOXES:
        raise BadDataSet(f"{shown} has {len(rows)} boxes; at most {MAX_BOXES}")
    return np.array(list(rows), dtype=np.float32).reshape(-1, 5)


def write(boxes: Boxes) -> str:
    """``boxes`` as the text of a label file, six digits after the point."""
    rows = boxes.tolist()
    return "".join(f"{int(c)} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for c, x, y, w, h in rows)


def letterboxed(boxes: Boxes, *, inner: tuple[int, int, int, int], side: int) -> Boxes:
    """``boxes`` of an image in 0..1 of the square that it was put into.

    ``side`` is that of the square and ``inner`` the (left, top, width, height) that the image
    covers in it, all in pixels.
    """
    left, top, width, height = inner
    out = boxes.copy()
    out[:, 1] = (boxes[:, 1] * width + left) / side
    out[:, 2] = (boxes[:, 2] * height + top) / side
    out[:, 3] = boxes[:, 3] * width / side
    out[:, 4] = boxes[:, 4] * height / side
    return out


def _row(words: list[str], where: str, classes: int) -> tuple[float, ...]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise BadDataSet(f"{where} is {' '.join(words)[:80]!r}; expected 'class x y w h'") from None
    if len(values) < 5 or (len(values) > 5 and len(values) % 2 == 0):
        raise BadDataSet(f"{where} has {len(values)} numbers; expected 5: class x y w h")
    if not all(math.isfinite(value) for value in values):
        raise BadDataSet(f"{where} holds NaN or infinity; expected numbers in 0..1")
    index, *numbers = values
    if index != int(index) or not 0 <= index < classes:
        raise BadDataSet(
            f"{where} names class {words[0]}; expected a whole number 0 to {classes - 1}"
        )
    if min(numbers) < -SLACK or max(numbers) > 1 + SLACK:
        raise BadDataSet(
            f"{where} leaves the image: numbers must be in 0..1 of its width and height"
        )
    x, y, w, h = numbers if len(numbers) == 4 else _around(numbers)
    if w <= 0 or h <= 0:
        raise BadDataSet(f"{where} is a box of size {w} x {h}; both must be above 0")
    row = np.array([index, x, y, w, h], dtype=np.float32)
    return tuple(row.tolist())


def _around(points: list[float]) -> tuple[float, float, float, float]:
    xs, ys = points[0::2], points[1::2]
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
