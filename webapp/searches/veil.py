"""What strangers read of a public search: its owner's private uploads are not told apart there.

What a search publishes is its result: verdict, arms, files and the number of test images, over
which the figures are. Names, addresses and file names of private uploads, and how much else is in
them, are no part of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser, User

from webapp.searches.models import SearchRequest
from webapp.searches.services import Progress


@dataclass(frozen=True)
class Veil:
    """``names`` are file names with what stands in their place; none: everything is shown."""

    names: Mapping[str, str]
    hides_data: bool = False

    def text(self, said: str) -> str:
        """``said`` without the names of files."""
        for name, instead in self.names.items():
            said = said.replace(name, instead)
        return said

    def progress(self, found: Progress) -> Progress:
        """How far a search is, in words for the reader."""
        if not self.names:
            return found
        return replace(
            found,
            message=self.text(found.message),
            reason=self.text(found.reason),
            stages=[{**stage, "message": self.text(stage["message"])} for stage in found.stages],
            waiting=[{**other, "message": self.text(other["message"])} for other in found.waiting],
        )

    def result(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """result.json; of a private data set it keeps the split that the figures are over."""
        found = dict(document)
        if self.hides_data and found.get("data"):
            images = {k: n for k, n in found["data"]["images"].items() if k == "test"}
            found["data"] = {**found["data"], "images": images}
        return found


def over(request: SearchRequest, *, reader: User | AnonymousUser) -> Veil:
    """The veil between ``reader`` and a request that he may see; it must come with its uploads."""
    names = {}
    detector, data_set = request.detector, request.data_set
    if not detector.is_visible_to(reader):
        for name in (Path(detector.file.name or "").name, detector.file_name):
            names[name] = "the model"
    hides_data = data_set is not None and not data_set.is_visible_to(reader)
    if data_set is not None and hides_data:
        for name in (Path(data_set.archive.name or "").name, data_set.file_name):
            names[name] = "the data set"
    return Veil({name: words for name, words in names.items() if name}, hides_data=hides_data)
