"""What identifies the content of a data set, wherever it lies."""

from __future__ import annotations

import hashlib
import json

from engine.data import SPLITS, DataSet


def fingerprint(found: DataSet) -> str:
    """The sha256 (64 hex digits) over class names, images, boxes and splits.

    File names do not count. Of a stored upload it equals ``DataSetInfo.sha256``.

    Raises:
        BadDataSet: a label file is wrong.
    """
    digest = hashlib.sha256(json.dumps([found.names[i] for i in sorted(found.names)]).encode())
    for split in SPLITS:
        if split not in found.splits:
            continue
        contents = []
        for image in found.splits[split]:
            rows = found.boxes(image).tolist()
            text = "".join(f"{int(c)} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for c, x, y, w, h in rows)
            contents.append(
                [
                    hashlib.sha256(image.read_bytes()).hexdigest(),
                    hashlib.sha256(text.encode()).hexdigest(),
                ]
            )
        digest.update(json.dumps([split, sorted(contents)]).encode())
    return digest.hexdigest()
