"""Log lines: JSON where asked for, each with the ids of what it is about."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests.conftest import ROOT
from tests.webapp.ops.talking_worker import LINES
from webapp import logs
from webapp.jobs import services
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job


def run(environment: dict[str, str], kind: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.webapp.ops.talking_worker"],
        cwd=ROOT,
        env={**environment, "ACTNAS_LOG": kind},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.django_db(transaction=True)
def test_every_line_of_a_jobs_run_carries_its_ids(environment: dict[str, str]) -> None:
    jobs = [
        services.create(kind=Kind.SEARCH, queue="search", payload={"search": f"search-{number}"})
        for number in (1, 2)
    ]
    done = run(environment, "json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""  # nothing of the run went past the handler
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert Job.objects.filter(state=State.FINISHED).count() == 2
    for job in jobs:
        about = [line for line in lines if line.get("job") == job.pk]
        said = " | ".join(line["message"] for line in about)
        assert all(text in said for text in (*LINES, "starts, attempt 1", "finished")), said
        assert {line["search"] for line in about} == {job.payload["search"]}
    # From the first line of a run to its last, none lacks them.
    runs = [line for line in lines if line["logger"] != "rq.worker"]
    assert [line for line in runs if "job" not in line] == []


@pytest.mark.django_db(transaction=True)
def test_without_the_setting_lines_are_plain(environment: dict[str, str]) -> None:
    services.create(kind=Kind.SEARCH, queue="search", payload={})
    done = run(environment, "text")
    assert done.returncode == 0, done.stderr
    assert "WARNING engine: own thread" in done.stderr
    assert not any(line.startswith("{") for line in done.stderr.splitlines())


def as_document(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(logs.JsonLines().format(record))
    return found


def test_an_error_and_odd_values_stay_one_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        make = logging.getLogger("x").makeRecord
        text, values = "%s\nand %s", ("a", object)
        record = make("x", logging.ERROR, "f", 1, text, values, sys.exc_info(), extra={"job": 7})
    line = logs.JsonLines().format(record)
    assert "\n" not in line
    document = json.loads(line)
    assert document["job"] == 7
    assert document["level"] == "ERROR"
    assert document["error"].endswith("ValueError: two\nlines")


def test_a_lines_own_ids_come_before_those_around_it() -> None:
    make = logging.getLogger("x").makeRecord
    with logs.about({"job": 1, "search": "a"}):
        inner = make("x", 20, "f", 1, "m", (), None, extra={"job": 2})
        assert as_document(inner)["job"] == 2
        assert as_document(inner)["search"] == "a"
    assert "job" not in as_document(make("x", 20, "f", 1, "m", (), None))


@pytest.mark.django_db
def test_a_request_has_an_id_and_a_line_without_its_secrets(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LOG = "json"
    with caplog.at_level(logging.INFO):
        answer = Client().get(
            "/api/v1/searches/secretsecret/result", headers={"X-Request-ID": "from-the-proxy"}
        )
    assert answer["X-Request-ID"] == "from-the-proxy"
    ours, djangos = caplog.records
    assert ours.getMessage() == "GET api/v1/searches/<search_id>/result: 404"
    assert as_document(djangos)["request"] == "from-the-proxy"
    made = Client().get("/livez", headers={"X-Request-ID": "new\nline; x" * 9})["X-Request-ID"]
    assert len(made) == 16
