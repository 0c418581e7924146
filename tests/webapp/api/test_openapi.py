"""The running API against its own OpenAPI document, by requests that schemathesis makes up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from pytest_django import Settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.config import SchemathesisConfig

from tests.browser import factories
from tests.webapp.conftest import Names, People
from webapp.accounts.models import ApiToken
from webapp.api.api import api
from webapp.leaderboard import snapshots
from webapp.leaderboard.models import Entry
from webapp.wsgi import application

CONFIG = SchemathesisConfig.from_dict(
    {"generation": {"max-examples": 10, "deterministic": True}, "seed": 1}
)
schema = schemathesis.openapi.from_dict(dict(api.get_openapi_schema()), config=CONFIG)
schema.app = application
CORE = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# What a request asks must also be there and fit: models that are ready, addresses that are public,
# cursors of this very list, passwords that nobody guesses. No JSON Schema can say that.
EXCLUDED = [positive_data_acceptance]


@pytest.fixture(autouse=True)
def one_transaction() -> Iterator[None]:
    """Requests leave the test's transaction open, as those of Django's own test client do."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def token(people: People) -> str:
    return ApiToken.objects.issue(user=people.owner, name="test")[1]


@pytest.fixture
def ids(people: People) -> dict[str, str]:
    """Something to find under each parameter of a path."""
    cpu = factories.pool()[0]
    model, data_set = factories.detector(people.owner), factories.data_set(people.owner)
    asked = factories.request(
        people.owner, model, data_set, name="Tea", target_ids=["cpu-openvino-fp32"]
    )
    search, entries = factories.finished_search(asked, "cpu-openvino-fp32", cpu, seed=1)
    hook = factories.webhook(people.owner, search)
    kept = snapshots.take(Entry.objects.listed(), title="All", query="", is_ranking=False)
    return {
        "model_id": model.pk,
        "data_set_id": data_set.pk,
        "request_id": asked.pk,
        "search_id": search.pk,
        "entry_id": entries[0].pk,
        "name": next(iter(entries[0].files)),
        "webhook_id": hook.pk,
        "snapshot_id": kept.pk,
        "target": search.target,
        "slug": cpu.slug,
    }


@schema.parametrize()
@hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck))
def test_answers_are_as_the_schema_says(
    case: Any, token: str, ids: dict[str, str], names: Names, settings: Settings
) -> None:
    """As generated, and once more about things that are there: those have longer answers."""
    settings.RATE_READS = settings.RATE_WRITES = settings.RATE_SIGN_IN = 0
    settings.RATE_UPLOADS = settings.RATE_WRONG_PASSWORDS = 0
    names("1.1.1.1")
    headers = {"Authorization": f"Bearer {token}"}
    case.call_and_validate(headers=headers, excluded_checks=EXCLUDED)
    known = {name: ids[name] for name in case.path_parameters or {} if name in ids}
    about_model = isinstance(case.body, dict) and "model" in case.body
    if known or about_model:
        case.path_parameters = {**(case.path_parameters or {}), **known}
        if about_model:
            case.body = {**case.body, "model": ids["model_id"], "data_set": ids["data_set_id"]}
        case.call_and_validate(headers=headers, checks=CORE)
