"""Fixtures that every part shares, and one line for each thing this machine lacks.

Marked tests run where they can: ``docker`` needs an engine and the base image, ``browser`` needs
Chromium, ``gpu`` a CUDA GPU, ``postgres`` a server, ``faketime`` a library, ``mount`` the right to.
``--fail-on-skip=docker,browser`` turns a skip of such a test into a failure, for machines that were
set up to run it.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "var" / "cache"

# Before torch or ultralytics is imported anywhere: two cores are shared by everything.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
# As engine/__init__.py has it, which some tests import after torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("ACTNAS_NOISY_PAUSE_S", "0")  # leases of a few rounds are often noisy
os.environ.setdefault("YOLO_CONFIG_DIR", str(CACHE / "ultralytics"))
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "1")
(CACHE / "ultralytics").mkdir(parents=True, exist_ok=True)

import fcntl  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
from collections.abc import Generator, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402

import pytest  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402

from tests import machine  # noqa: E402
from webapp.demo import checkpoint  # noqa: E402

SKIPPED = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fail-on-skip",
        default="",
        metavar="MARKS",
        help=f"comma-separated marks ({', '.join(machine.NEEDS)}) whose skipped tests fail the run",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = {}
    unknown = set(_must_run(config)) - set(machine.NEEDS)
    if unknown:
        known = ", ".join(machine.NEEDS)
        raise pytest.UsageError(f"--fail-on-skip={sorted(unknown)[0]}: known marks are {known}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for mark, need in machine.NEEDS.items():
        marked = [item for item in items if item.get_closest_marker(mark)]
        reason = need.missing() if marked else None
        if reason is None:
            continue
        config.stash[SKIPPED][mark] = f"{len(marked)} {mark} tests skipped: {reason}"
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    for mark, line in config.stash[SKIPPED].items():
        terminalreporter.write_line(line, red=mark in _must_run(config), yellow=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The test database is a file, so that worker processes see the same rows.

    Here, because the first test that needs a database, of whichever part, makes it for all.
    """
    for database in django_settings.DATABASES.values():
        if database["ENGINE"].endswith("sqlite3"):
            file = tmp_path_factory.mktemp("database") / "test.sqlite3"
            database.setdefault("TEST", {})["NAME"] = str(file)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    must = [mark for mark in _must_run(item.config) if item.get_closest_marker(mark)]
    if must and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but --fail-on-skip={must[0]} was given: {report.longrepr}"
    return report


def _must_run(config: pytest.Config) -> list[str]:
    return [mark for mark in config.getoption("--fail-on-skip").split(",") if mark]


@contextmanager
def _one_at_a_time(name: str) -> Iterator[None]:
    """Two test runs on one tree must not fill the same cache folder at once."""
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def abd_checkpoint() -> Path:
    """The real YOLOv8n checkpoint (57 sites, 147 classes); never written to."""
    with _one_at_a_time("checkpoint"):
        return checkpoint.fetch(CACHE)


@pytest.fixture(scope="session")
def abd_names(abd_checkpoint: Path) -> dict[int, str]:
    """The class names inside the checkpoint."""
    with _one_at_a_time("names"):
        kept = CACHE / "abd-names.json"
        if not kept.exists():
            from ultralytics.nn.tasks import torch_safe_load

            loaded, _ = torch_safe_load(str(abd_checkpoint), safe_only=True)
            kept.write_text(json.dumps(loaded["model"].names))
        return {int(index): name for index, name in json.loads(kept.read_text()).items()}


@pytest.fixture(scope="session")
def molecules(abd_names: dict[int, str]) -> Path:
    """A folder with data.yaml: 24 train, 12 val and 12 test molecule drawings at 160 px."""
    from webapp.demo import molecules as generator

    with _one_at_a_time("molecules"):
        folder = CACHE / "molecules-1"
        if not (folder / "data.yaml").exists():
            shutil.rmtree(folder, ignore_errors=True)
            images = {"train": 24, "val": 12, "test": 12}
            generator.build(folder, names=abd_names, images=images, size=160, min_test_boxes=3)
        return folder
