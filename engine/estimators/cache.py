"""Scores that were computed before, found by the content of everything that decides them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from devices.assignment import Assignment
from engine import activations

__all__ = ["ScoreCache", "fingerprint"]


class ScoreCache:
    """One small JSON file a score in ``folder``; several processes may share it.

    A score is found again if the estimator, its settings and seed, the net (weights, structure,
    activations), the data it looks at and the versions of torch and ultralytics are the same. The
    device that computed it does not count.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, asked: dict[str, Any], assignments: Sequence[Assignment]) -> dict[Any, float]:
        """The scores that are known, by assignment."""
        found = {}
        for assignment in assignments:
            path = self._path(asked, assignment)
            if path.exists():
                found[assignment] = float(json.loads(path.read_text())["score"])
        return found

    def keep(self, asked: dict[str, Any], assignment: Assignment, score: float) -> None:
        """Store one score, whole or not at all."""
        path = self._path(asked, assignment)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({**asked, "assignment": assignment.hash, "score": score}))
        part.replace(path)

    def _path(self, asked: dict[str, Any], assignment: Assignment) -> Path:
        text = json.dumps({**asked, "assignment": assignment.hash}, sort_keys=True)
        return (
            self._folder / asked["estimator"] / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        )


def fingerprint(net: nn.Module) -> str:
    """sha256 over the structure, the activations and all weights and statistics of ``net``."""
    digest = hashlib.sha256(repr(net).encode())
    digest.update(json.dumps(getattr(net, "yaml", None), default=str).encode())
    for path, module in net.named_modules(remove_duplicate=False):
        if activations.is_activation(module):
            # what a site runs now; a site with several choices does not print it
            digest.update(f"{path} {activations.name_of(module)} {module}".encode())
    for name, value in sorted(net.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
