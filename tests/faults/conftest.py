"""One real site for all fault tests: each breaks a part of it, and it must be whole afterwards."""

from __future__ import annotations

import html
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import redis
import ultralytics

from engine.remote import Client
from tests.conftest import ROOT
from tests.faults.whole import standstill
from webapp.demo.stack import Stack

CPU = "cpu-onnxruntime-fp32"
NPU = "npu-ethos-u55-128-int8"
YAML = Path(ultralytics.__file__).parent / "cfg" / "models" / "v8" / "yolov8.yaml"
SICK = Path(__file__).parent / "sick"
STALL_S = 6  # a device process that does nothing for so long hangs
LIMIT_S = 400.0  # of a machine on which others work, too
_PASSWORD = "a-curious-password-7"
_MAKE_ADMIN = (
    "from django.contrib.auth.models import User; "
    f"User.objects.create_superuser('queen', password={_PASSWORD!r})"
)
_WHY = re.compile(r'field-why_it_does_not_move.*?class="readonly">(.*?)</div>', re.DOTALL)


@dataclass
class Site:
    """The running site, somebody who uses it, and what its database and folders hold."""

    stack: Stack
    script: Client
    token: str
    model: str
    temporary: Path
    locks: Path
    sick: Path
    database: str | None = None  # of PostgreSQL; else SQLite
    stages: dict[Path, int] = field(default_factory=dict)  # finished ones, as first seen
    admin: httpx.Client | None = None

    def ask(self, *, seed: int, target: str = NPU, **more: object) -> str:
        """Ask for a small cost study; the id of its search."""
        wish = {
            "model": self.model,
            "targets": [target],
            "activations": ["relu", "silu"],
            "imgsz": 64,
            "seed": seed,
            **more,
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

    def snapshot(self) -> str:
        """Have the whole leaderboard kept and exported; the id of its snapshot."""
        answer = httpx.post(
            f"{self.stack.url}/api/v1/leaderboard/snapshots",
            json={},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        assert answer.status_code == 201, answer.text
        found: str = answer.json()["id"]
        return found

    def end_of_export(self, snapshot: str) -> tuple[str, str, str]:
        """(state, reason, fault) of the latest export of a snapshot, once it has ended."""
        rows = (
            "SELECT j.state, j.reason, j.fault FROM jobs_job j JOIN leaderboard_snapshot s"
            " ON s.job_id = j.id WHERE s.id = ? AND j.ended IS NOT NULL"
        )
        (row,) = self.until(lambda: self.rows(rows, snapshot))
        state, reason, fault = row
        return state, reason, fault

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the site's database answers."""
        if self.database is not None:
            with psycopg.connect(self.database) as server:
                return server.execute(query.replace("?", "%s"), values).fetchall()  # type: ignore[arg-type]
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

    def workers(self, *agents: psutil.Process) -> list[psutil.Process]:
        """The workers of the site's agent, and of more, without their work horses."""
        found = []
        for agent in (psutil.Process(self.stack.process("agent")), *agents):
            with suppress(psutil.NoSuchProcess):
                found += [child for child in agent.children() if "worker" in child.cmdline()]
        return found

    def workers_of(self, queue: str) -> list[psutil.Process]:
        """Those of the site's agent that serve a queue."""
        return [worker for worker in self.workers() if queue in worker.cmdline()]

    def jobs(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT id, kind, state, attempt, claim, message, reason FROM jobs_job")

    def redis(self) -> redis.Redis:
        """A client of the site's Redis; a context manager."""
        return redis.Redis.from_url(self.stack.environment["ACTNAS_REDIS_URL"])

    def is_ready(self) -> bool:
        """Whether every queue has a worker again, so that the next test meets a whole site."""
        return httpx.get(f"{self.stack.url}/readyz", timeout=60).status_code == 200

    def why(self, job: int) -> str:
        """What the administrators' page says why that job does not move."""
        if self.admin is None:
            self.stack.manage("shell", "--no-imports", "--command", _MAKE_ADMIN)
            self.admin = httpx.Client(base_url=self.stack.url, timeout=60, follow_redirects=True)
            form = {"username": "queen", "password": _PASSWORD, "next": "/admin/"}
            token = self.admin.get("/admin/login/").cookies["csrftoken"]
            form["csrfmiddlewaretoken"] = token
            answer = self.admin.post("/admin/login/", data=form)
            assert "Log out" in answer.text, answer.text[:500]
        page = self.admin.get(f"/admin/jobs/job/{job}/change/").text
        found = _WHY.search(page)
        assert found is not None, page[:500]
        return html.unescape(" ".join(found[1].split()))

    def job_of(self, search: str) -> int:
        ((job,),) = self.rows("SELECT job_id FROM searches_search WHERE id = ?", search)
        found: int = job
        return found

    def fall_ill(self, illness: str, *, times: int = 1) -> None:
        """The next ``times`` device processes are sick: hang, starve, babble, lie or hold."""
        self.sick.write_text(f"{illness} {times}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """The next device process gets on with its work after the block, or :meth:`let_go`."""
        self.sick.with_name("held").touch()
        self.fall_ill("hold")
        try:
            yield
        finally:
            self.let_go()

    def let_go(self) -> None:
        self.sick.with_name("held").unlink(missing_ok=True)

    def witnesses(self) -> list[str]:
        """What each device process that measured since the test began says: "alone", one hopes."""
        return self.witness.read_text().splitlines()

    @property
    def witness(self) -> Path:
        return self.sick.with_name("witness")


@contextmanager
def second_agent(site: Site, *, queues: str, **variables: str) -> Iterator[psutil.Process]:
    """One more agent of the same host, with the shared ``queues`` and with these variables."""
    command = [sys.executable, "manage.py", "agent", "--host", "local", "--queues", queues]
    environment = {**site.stack.environment, **variables}
    with (site.stack.logs / "second-agent.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def whole_site(folder: Path, *, database: str | None = None) -> Iterator[Site]:
    """A site in ``folder``, with a model and somebody to whom it belongs."""
    folder.mkdir(parents=True, exist_ok=True)
    # Not below ``folder``: who reads an upload is nobody, and pytest's folders are private.
    with (
        tempfile.TemporaryDirectory(prefix="actnas-faults-", dir="/tmp") as open_to_all,
        pytest.MonkeyPatch.context() as patch,
    ):
        temporary = Path(open_to_all)
        temporary.chmod(0o711)
        patch.setenv("ACTNAS_HOST_LOCKS", str(folder / "locks"))
        patch.setenv("TMPDIR", str(temporary))
        patch.setenv("ACTNAS_LOG", "json")
        patch.setenv("ACTNAS_SICK", str(folder / "sick"))
        patch.setenv("ACTNAS_LINGER", str(folder / "linger"))
        patch.setenv("ACTNAS_WITNESS", str(folder / "witness"))
        patch.setenv("ACTNAS_DEVICE_STALL_S", str(STALL_S))
        patch.setenv("ACTNAS_RATE_UPLOADS", "0")  # Redis is not asked while an upload comes in
        patch.setenv("ACTNAS_SWEEP_FILES_S", "8")
        patch.setenv("PYTHONPATH", str(SICK), prepend=os.pathsep)
        if database is not None:
            patch.setenv("ACTNAS_DATABASE_URL", database)
        with Stack(folder / "site") as stack:
            script = Client(stack.url)
            token = script.sign_up(username="scripted", password=_PASSWORD)
            path = folder / "yolov8n.yaml"
            path.write_bytes(YAML.read_bytes())
            model = script.ready("models", script.upload(path)["id"])
            locks, sick = folder / "locks", folder / "sick"
            yield Site(stack, script, token, model["id"], temporary, locks, sick, database)


@pytest.fixture(scope="package")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with whole_site(tmp_path_factory.mktemp("faults")) as site:
        yield site


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """One site for all; each test begins and ends with every queue served."""
    shared_site.until(shared_site.is_ready)
    shared_site.stages.clear()
    shared_site.witness.write_text("")
    yield shared_site
    shared_site.sick.unlink(missing_ok=True)
    shared_site.until(shared_site.is_ready)
    standstill(shared_site)
    assert "beside another" not in shared_site.witnesses()
