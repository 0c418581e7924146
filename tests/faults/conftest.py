"""One real site for all fault tests: each breaks a part of it, and it must be whole afterwards."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import ultralytics

from engine.remote import Client
from webapp.demo.stack import Stack

CPU = "cpu-onnxruntime-fp32"
NPU = "npu-ethos-u55-128-int8"
YAML = Path(ultralytics.__file__).parent / "cfg" / "models" / "v8" / "yolov8.yaml"
LIMIT_S = 150.0


@dataclass
class Site:
    """The running site, somebody who uses it, and what its database and folders hold."""

    stack: Stack
    script: Client
    token: str
    model: str
    temporary: Path
    stages: dict[Path, int] = field(default_factory=dict)  # finished ones, as first seen

    def ask(self, *, seed: int, target: str = NPU) -> str:
        """Ask for a small cost study; the id of its search."""
        wish = {
            "model": self.model,
            "targets": [target],
            "activations": ["relu", "silu"],
            "imgsz": 64,
            "seed": seed,
        }
        (search,) = self.script.search(wish)["searches"]
        found: str = search["id"]
        return found

    def retry(self, request: str) -> None:
        """Run what failed of a request again."""
        answer = httpx.post(
            f"{self.stack.url}/api/v1/searches/{request}/retry",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the site's database answers."""
        with closing(sqlite3.connect(self.stack.data / "actnas.sqlite3", timeout=30)) as database:
            return database.execute(query, values).fetchall()

    def state(self, search: str) -> tuple[str, str]:
        """(state, reason) of a search; notes which stages are finished."""
        folder = self.stack.data / "work" / "searches" / search / "stages"
        for path in folder.glob("*.json"):
            with suppress(FileNotFoundError):
                self.stages.setdefault(path, path.stat().st_mtime_ns)
        (row,) = self.rows(
            "SELECT j.state, j.reason FROM searches_search s JOIN jobs_job j ON j.id = s.job_id"
            " WHERE s.id = ?",
            search,
        )
        return row[0], row[1]

    def until(self, condition: Callable[[], Any], *, seconds: float = LIMIT_S) -> Any:
        """What ``condition()`` returns once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s; {self.jobs()}"
            time.sleep(0.05)
        return found

    def end_of(self, search: str) -> tuple[str, str]:
        """(state, reason) once the search has ended."""
        self.until(lambda: self.state(search)[0] in {"finished", "failed", "cancelled"})
        return self.state(search)

    def running(self, kind: str) -> list[tuple[int, int]]:
        """(job, process) of the running jobs of a kind."""
        found = self.rows(
            "SELECT id, worker FROM jobs_job WHERE kind = ? AND state = 'running'", kind
        )
        return [(job, int(worker.split(":")[1])) for job, worker in found]

    def workers(self, queue: str) -> list[psutil.Process]:
        """The worker processes of a queue, without their work horses."""
        agent = next(part for part in self.stack._parts if part.name == "agent")
        found = []
        for child in psutil.Process(agent.process.pid).children():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if queue in child.cmdline():
                    found.append(child)
        return found

    def jobs(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT id, kind, state, attempt, claim, message, reason FROM jobs_job")

    def is_ready(self) -> bool:
        """Whether every queue has a worker again, so that the next test meets a whole site."""
        return httpx.get(f"{self.stack.url}/readyz", timeout=60).status_code == 200

    def check_whole(self, search: str) -> None:
        """No finished stage ran again, nothing is counted twice, nothing is left behind."""
        self.state(search)
        again = {path.name: path.stat().st_mtime_ns for path in self.stages}
        assert again == {path.name: at for path, at in self.stages.items()}
        finished = self.rows(
            "SELECT stage, count(*) FROM searches_searchevent"
            " WHERE search_id = ? AND kind = 'finished' GROUP BY stage HAVING count(*) > 1",
            search,
        )
        assert finished == []
        measured = self.rows(
            "SELECT m.hash, count(*) FROM searches_measurement m WHERE m.search_id = ?"
            " GROUP BY m.hash HAVING count(*) > 1",
            search,
        )
        assert measured == []
        assert self.rows("SELECT id FROM jobs_job WHERE state IN ('running', 'waiting')") == []
        # A sweep comes every 3 s.
        self.until(lambda: not self._left(), seconds=20)

    def _left(self) -> list[str]:
        """Leases, busy devices, temporary files."""
        leases = self.rows("SELECT name FROM pool_host WHERE leased_by_id IS NOT NULL")
        busy = self.rows("SELECT slug FROM pool_device WHERE state != 'idle'")
        files = [
            str(path)
            for folder in (self.temporary, self.stack.data / "work", self.stack.data / "artefacts")
            for path in folder.rglob("*")
            if path.is_file() and (folder == self.temporary or _is_temporary(path, folder))
        ]
        return [*map(str, leases), *map(str, busy), *files]


def _is_temporary(path: Path, folder: Path) -> bool:
    names = path.relative_to(folder).parts
    return path.suffix == ".part" or any(name.startswith(".") for name in names)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("faults")
    temporary = folder / "tmp"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACTNAS_HOST_LOCKS", str(folder / "locks"))
        patch.setenv("TMPDIR", str(temporary))
        patch.setenv("ACTNAS_LOG", "json")
        with Stack(folder / "site") as stack:
            script = Client(stack.url)
            token = script.sign_up(username="scripted", password="a-curious-password-7")
            path = folder / "yolov8n.yaml"
            path.write_bytes(YAML.read_bytes())
            model = script.ready("models", script.upload(path)["id"])
            yield Site(stack, script, token, model["id"], temporary)
