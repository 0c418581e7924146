"""Targets, devices, and the documentation of the API."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from devices import targets
from tests.webapp.conftest import API
from webapp.pool.models import Device
from webapp.pool.services import ensure_local
from webapp.ui import theme

pytestmark = pytest.mark.django_db


def test_every_target_says_whether_it_is_offered() -> None:
    ensure_local(host_name="here", cpu_model="Test CPU")
    Device.objects.filter(slug="here-ethos-u").update(health="bad")
    rows = {row["id"]: row for row in Client().get(f"{API}/targets").json()}
    assert list(rows) == [target.id for target in targets.TARGETS]
    assert rows["cpu-openvino-fp32"]["offered"]
    assert not rows["npu-ethos-u55-128-int8"]["offered"]
    assert rows["npu-ethos-u55-128-int8"]["kind"] == "modelled"


def test_entering_this_machine_twice_keeps_what_was_changed() -> None:
    ensure_local(host_name="here", cpu_model="Test CPU")
    Device.objects.filter(slug="here-cpu").update(name="The quiet one", health="retired")
    ensure_local(host_name="here", cpu_model="Test CPU")
    assert Device.objects.count() == 2
    (cpu,) = [row for row in Client().get(f"{API}/devices").json() if row["slug"] == "here-cpu"]
    assert (cpu["name"], cpu["in_service"], cpu["health"]) == ("The quiet one", False, "retired")


def test_the_api_documents_itself() -> None:
    schema = Client().get(f"{API}/openapi.json").json()
    assert {"/api/v1/models", "/api/v1/searches", "/api/v1/leaderboard"} <= set(schema["paths"])
    assert "multipart/form-data" in json.dumps(schema["paths"]["/api/v1/models"]["post"])
    page = Client().get(f"{API}/docs")
    assert page.status_code == 200
    theme_script = f"<script>{theme.SCRIPT}</script>"  # the only one inline that the policy allows
    assert "<script>" not in page.content.decode().replace(theme_script, "")


def test_every_response_carries_the_content_security_policy() -> None:
    for path in (f"{API}/targets", f"{API}/docs", "/nowhere"):
        policy = Client().get(path)["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy


def test_what_is_not_there_is_a_problem_too() -> None:
    answer = Client().get(f"{API}/entries/nothing")
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "urn:actnas:problem:not-found",
        "code": "not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "no entry 'nothing' that you may see",
    }
