"""The command of an entry's page, run as it stands there: it repeats what was published."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from django.test import Client as Browser
from pytest_django.live_server_helper import LiveServer

from devices.protocol import MeasureResult
from devices.run import run
from tests.browser import factories
from tests.conftest import ROOT
from tests.devices import graphs, jobs
from tests.webapp.conftest import People
from webapp.leaderboard import services
from webapp.leaderboard.models import Entry

pytestmark = pytest.mark.django_db(transaction=True)

TARGET = "npu-ethos-u55-128-int8"
TINY = "the tiny detector"
CLI = "import sys; from engine.cli import main; sys.exit(main())"


@pytest.fixture
def measured(tmp_path: Path) -> MeasureResult:
    """The tiny detector with ReLU everywhere beside itself, costed just now."""
    return run(jobs.job(tmp_path, TARGET, "relu", keep_files=str(tmp_path / "kept")))


@pytest.fixture
def entry(people: People, measured: MeasureResult) -> Entry:
    """An entry whose file and baseline, ratio and sha256 are those of ``measured``."""
    _, npu = factories.pool()
    asked = factories.request(
        people.owner,
        factories.detector(people.owner),
        factories.data_set(people.owner),
        name=TINY,
        target_ids=[TARGET],
    )
    search, entries = factories.finished_search(asked, TARGET, npu, seed=1)
    Entry.objects.filter(pk__in=[one.pk for one in entries]).delete()
    result = search.result
    assert result is not None
    for name, arm in (("reference", measured.arms[0]), ("mix", measured.arms[1])):
        document = next(one for one in result["arms"] if one["name"] == name)
        assert arm.file_path is not None
        document["file"] = f"{name}/tiny.tflite"
        document |= {"file_sha256": arm.file_sha256, "latency_ratio": arm.ratio}
        document["latency_ms"] = arm.latency_ms
        shutil.copyfile(arm.file_path, search.path / document["file"])
        if name == "mix":
            path = search.path / result["chosen"][0]["assignment"]["path"]
            path.write_text(json.dumps(document["assignment"]))
            result["chosen"][0]["model"] = {
                "path": document["file"],
                "sha256": arm.file_sha256,
            }
    search.save()
    return next(one for one in services.publish(search) if one.arm == "mix")


def told(entry: Entry, site: str) -> list[str]:
    """The command that the entry's page shows, in words."""
    text = Browser(SERVER_NAME=site.partition("://")[2].partition(":")[0]).get(
        f"/entries/{entry.pk}/", headers={"Host": site.partition("://")[2]}
    )
    shown = re.search(r'<pre id="command"[^>]*><code>(.*?)</code>', text.content.decode())
    assert shown is not None
    return shlex.split(unescape(shown.group(1)))


def command(words: list[str], *more: str) -> subprocess.CompletedProcess[str]:
    assert words[0] == "actnas"
    return subprocess.run(
        [sys.executable, "-c", CLI, *words[1:], *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_repeats_the_entry(
    live_server: LiveServer, entry: Entry, measured: MeasureResult
) -> None:
    done = command(told(entry, live_server.url), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["agrees"] is True
    assert found["file_sha256"] == entry.file_sha256 == measured.arms[1].file_sha256
    assert found["assignment_hash"] == entry.assignment_hash
    again = MeasureResult.model_validate(found["result"])
    assert again.arm("entry").ratio == pytest.approx(measured.arms[1].ratio, rel=1e-6)
    assert again.arm("entry").latency_ms == pytest.approx(entry.latency_ms, rel=1e-6)


def test_another_ratio_or_another_file_is_told(live_server: LiveServer, entry: Entry) -> None:
    words = told(entry, live_server.url)
    Entry.objects.filter(pk=entry.pk).update(ratio=entry.ratio * 0.9)
    differs = command(words)
    assert (differs.returncode, differs.stdout.splitlines()[-1]) == (0, "the ratios differ")
    (entry.search.path / entry.file).write_bytes(graphs.detector().SerializeToString())
    broken = command(words)
    assert broken.returncode == 1
    assert f"not {entry.file_sha256}" in broken.stderr
