"""Converted artefacts, kept by what went into them: the same arm is converted once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from devices import HARNESS_VERSION
from devices.files import atomic
from devices.runtimes.base import Artefact, sha256


class Store:
    """A folder of artefacts: the one that ACTNAS_ARTEFACTS names, else ``fallback``.

    Each artefact has a JSON file beside it with its sha256 and details, written after it. An entry
    whose content no longer has that sha256 counts as absent.
    """

    def __init__(self, fallback: Path) -> None:
        self._folder = Path(os.environ.get("ACTNAS_ARTEFACTS") or fallback)

    def get_or_make(
        self,
        *key: str,
        suffix: str,
        versions: Mapping[str, str],
        make: Callable[..., Artefact],
    ) -> Artefact:
        """The artefact of ``key`` and ``versions``; ``make(out=path)`` writes a missing one."""
        text = json.dumps([HARNESS_VERSION, *key, dict(sorted(versions.items()))])
        stem = hashlib.sha256(text.encode()).hexdigest()[:32]
        path = self._folder / f"{stem}{suffix}"
        card = self._folder / f"{stem}.json"
        if card.is_file() and path.is_file():
            known = json.loads(card.read_text())
            if known["sha256"] == sha256(path):
                return Artefact(path, known["sha256"], known["details"])
        artefact = make(out=path)
        with atomic(card) as part:
            part.write_text(json.dumps({"sha256": artefact.sha256, "details": artefact.details}))
        return artefact
