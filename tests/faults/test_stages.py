"""kill -9 of whatever works for a search: in every stage, every training, every measurement.

One search for all: small, with training. Each of its processes is killed once as soon as its row
says that it runs; what each test looks at is one of those blows.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.search import STAGES
from tests.faults.conftest import NPU, Site
from tests.faults.whole import FINAL, nothing_lost
from webapp.demo.molecules import pack

pytestmark = pytest.mark.slow

TRAININGS = ("adapt", "supernet", "estimate", "arm")
MEASURED = ("cost", "candidates", "measure")  # stages that ask for a measurement
LIMIT_S = 900.0


@dataclass
class Ordeal:
    """A search and the blows that it took: what was killed -> (its job, its claim, was it late)."""

    search: str
    entries: list[str] = field(default_factory=list)
    blows: dict[str, tuple[int, int, bool]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def ordeal(
    shared_site: Site,
    abd_checkpoint: Path,
    molecules: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Ordeal:
    site, script = shared_site, shared_site.script
    archive = tmp_path_factory.mktemp("ordeal") / "rings.zip"
    pack(molecules, archive)
    model = script.upload(abd_checkpoint)["id"]
    data_set = script.upload(archive)["id"]
    script.ready("models", model)
    script.ready("data-sets", data_set)
    wish = {
        "model": model,
        "data_set": data_set,
        "targets": [NPU],
        "activations": ["relu", "silu"],
        "imgsz": 64,
        "epochs": 3,
        "max_map_loss": 1.0,
    }
    linger = site.sick.with_name("linger")
    linger.touch()
    request = script.search(wish)
    found = Ordeal(request["searches"][0]["id"])
    stages = site.stack.data / "work" / "searches" / found.search / "stages"
    deadline = time.monotonic() + LIMIT_S
    looked = 0.0
    while True:
        for path in stages.glob("*.begun"):
            if path.stem not in found.blows:
                _strike_search(site, found, path.stem, stages)
        if time.monotonic() - looked > 0.2:  # trainings and measurements take longer than stages
            looked = time.monotonic()
            if site.state(found.search)[0] in FINAL:
                break
            _strike_helpers(site, found)
        assert time.monotonic() < deadline, site.jobs()
        time.sleep(0.002)
    linger.unlink()
    found.entries = script.request(request["id"])["searches"][0]["entries"]
    return found


def _strike_search(site: Site, ordeal: Ordeal, stage: str, stages: Path) -> None:
    rows = site.rows(
        "SELECT j.id, j.claim, j.worker FROM jobs_job j JOIN searches_search s ON s.job_id = j.id"
        " WHERE s.id = ? AND j.state = 'running'",
        ordeal.search,
    )
    for job, claim, worker in rows:
        if _kill(worker):
            late = (stages / f"{stage}.json").exists()
            ordeal.blows[stage] = (job, claim, late)


def _strike_helpers(site: Site, ordeal: Ordeal) -> None:
    trainings = site.rows(
        "SELECT j.id, j.claim, j.worker, t.spec FROM jobs_job j"
        " JOIN searches_training t ON t.job_id = j.id WHERE j.state = 'running'"
    )
    for job, claim, worker, spec in trainings:
        name = f"train {json.loads(spec)['phase']}"
        if name not in ordeal.blows and _kill(worker):
            ordeal.blows[name] = (job, claim, False)
    measurements = site.rows(
        "SELECT j.id, j.claim, j.worker, s.stage FROM jobs_job j"
        " JOIN searches_measurement m ON m.job_id = j.id"
        " JOIN searches_search s ON s.id = m.search_id WHERE j.state = 'running' AND s.id = ?",
        ordeal.search,
    )
    for job, claim, worker, stage in measurements:
        if f"measure {stage}" not in ordeal.blows and _kill(worker):
            ordeal.blows[f"measure {stage}"] = (job, claim, False)


def _kill(worker: str) -> bool:
    with suppress(ProcessLookupError):
        os.kill(int(worker.split(":")[1]), signal.SIGKILL)
        return True
    return False


@pytest.mark.parametrize(
    "what",
    [
        *STAGES,
        *(f"train {phase}" for phase in TRAININGS),
        *(f"measure {stage}" for stage in MEASURED),
    ],
)
def test_a_kill_costs_one_attempt(what: str, ordeal: Ordeal, shared_site: Site) -> None:
    assert what in ordeal.blows, f"it was never seen to run; killed: {list(ordeal.blows)}"
    job, claim, late = ordeal.blows[what]
    assert not late, "the stage was over before the blow"
    ((state, claims),) = shared_site.rows("SELECT state, claim FROM jobs_job WHERE id = ?", job)
    assert state == "finished"
    assert claims > claim  # somebody took it again


def test_nothing_is_lost_and_its_files_are_whole(
    ordeal: Ordeal, site: Site, tmp_path: Path
) -> None:
    nothing_lost(site, ordeal.search)
    assert ordeal.entries
    entry = site.script.entry(ordeal.entries[0])
    digests = [
        site.script.download(entry=entry["id"], name=name, into=tmp_path / Path(name).name)
        for name in entry["files"]
    ]
    assert entry["file_sha256"] in digests
