"""Search requests over the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from devices.targets import TARGETS
from engine.epochs import FEWEST
from tests.browser import factories
from tests.webapp.conftest import API, People, api_client
from webapp.catalog.choices import UploadState
from webapp.catalog.models import DataSet, Detector
from webapp.jobs import queues
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.pool.models import Device
from webapp.pool.services import ensure_local
from webapp.searches.models import Search, SearchRequest

pytestmark = pytest.mark.django_db(transaction=True)

CPU, NPU = "cpu-openvino-fp32", "npu-ethos-u55-128-int8"


@pytest.fixture
def mine(people: People) -> tuple[Detector, DataSet]:
    """A private model and data set, and a pool that serves every target."""
    ensure_local(host_name="here", cpu_model="Test CPU")
    return (
        factories.detector(people.owner, public=False),
        factories.data_set(people.owner, public=False),
    )


def ask(client: Client, detector: Detector, data_set: DataSet | None, **wish: Any) -> Any:
    body = {"model": detector.pk, "data_set": data_set.pk if data_set else None, "targets": [CPU]}
    return client.post(f"{API}/searches", body | wish, content_type="application/json")


def test_a_request_makes_one_search_a_target(people: People, mine: Any) -> None:
    client = api_client(people.owner)
    answer = ask(client, *mine, targets=[NPU, CPU, NPU], max_map_loss=0.015, name="first")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body["targets"] == [NPU, CPU]
    assert [search["target"] for search in body["searches"]] == [NPU, CPU]
    assert [search["device"] for search in body["searches"]] == ["here-ethos-u", "here-cpu"]
    assert [search["position"] for search in body["searches"]] == [1, 2]
    assert (body["state"], body["max_map_loss"], body["max_latency_ratio"]) == (
        "running",
        0.015,
        None,
    )
    assert queues.length("search") == 2
    assert client.get(f"{API}/searches/{body['id']}").json() == body
    assert [one["id"] for one in client.get(f"{API}/searches").json()] == [body["id"]]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"targets": ["tpu-v9"]}, "unknown target 'tpu-v9'; known: cpu-onnxruntime-fp32"),
        ({"activations": ["swish"]}, "unknown activation 'swish'; known: relu"),
        ({"targets": []}, "targets: List should have at least 1 item"),
        ({"activations": []}, "no activation given"),
        ({"recipe": "magic"}, "unknown recipe 'magic'; known: supernet, paper"),
        ({"augment": "mosaic"}, "unknown augment 'mosaic'; known: shift, none"),
        ({"unit": "layer"}, "unknown unit 'layer'; known: site, block"),
        ({"cost_model": "guess"}, "unknown cost model 'guess'; known: uniform_profile, combined"),
        (
            {"recipe": "paper", "cost_model": "combined"},
            "the recipe 'paper' measures one swap at a time; cost_model is 'combined'",
        ),
        ({"imgsz": 100}, "imgsz is 100; accepted: multiples of 32"),
        ({"epochs": FEWEST - 1}, f"epochs is {FEWEST - 1}; accepted: from {FEWEST} up to 300"),
        ({"max_latency_ratio": -1}, "max_latency_ratio is -1; accepted: above 0 up to 10"),
        ({"max_map_loss": "much"}, "max_map_loss: Input should be a valid number"),
        ({"visibility": "secret"}, "unknown visibility 'secret'"),
    ],
)
def test_a_bad_wish_says_what_is_accepted(
    people: People, mine: Any, wish: dict[str, Any], said: str
) -> None:
    answer = ask(api_client(people.owner), *mine, **wish)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert not SearchRequest.objects.exists()


def test_a_target_that_no_device_offers_is_refused(people: People, mine: Any) -> None:
    Device.objects.filter(slug="here-cpu").update(health="maintenance")
    answer = ask(api_client(people.owner), *mine)
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    offered = ", ".join(target.id for target in TARGETS if target.kind == "modelled")
    assert NPU in offered
    assert detail == f"no device in service offers the target '{CPU}'; offered now: {offered}"


def test_uploads_must_have_passed_their_check(people: People, mine: Any) -> None:
    detector, data_set = mine
    Detector.objects.update(state=UploadState.VALIDATING)
    answer = ask(api_client(people.owner), detector, data_set)
    assert answer.status_code == 409
    assert "still being checked" in answer.json()["detail"]
    Detector.objects.update(state=UploadState.REFUSED, reason="it is truncated")
    answer = ask(api_client(people.owner), detector, data_set)
    assert "was refused: it is truncated" in answer.json()["detail"]


def test_others_private_uploads_cannot_be_searched(people: People, mine: Any) -> None:
    detector, data_set = mine
    stranger = api_client(people.stranger)
    assert ask(stranger, detector, None).status_code == 404
    Detector.objects.update(visibility="public")
    assert ask(stranger, detector, data_set).status_code == 404
    assert ask(stranger, detector, None).status_code == 201
    assert ask(Client(), detector, None).status_code == 401


def test_who_may_see_and_cancel_a_request(people: People, mine: Any) -> None:
    made = ask(api_client(people.owner), *mine, visibility="private").json()
    paths = [f"/searches/{made['id']}", f"/searches/{made['searches'][0]['id']}/result"]
    expected = {people.owner: (200, 409), people.stranger: (404, 404), None: (404, 404)}
    for user, codes in expected.items():
        client = api_client(user)
        assert tuple(client.get(f"{API}{path}").status_code for path in paths) == codes, user
    cancel = f"{API}/searches/{made['id']}/cancel"
    assert api_client(people.stranger).post(cancel).status_code == 404
    assert Client().post(cancel).status_code == 401
    assert Job.objects.get().state == State.QUEUED

    done = api_client(people.owner).post(cancel)
    assert done.status_code == 200
    assert done.json()["state"] == "finished"
    (search,) = done.json()["searches"]
    assert (search["state"], search["reason"]) == ("cancelled", "cancelled by its owner")


def test_a_public_request_may_be_watched_by_all_and_cancelled_by_its_owner_only(
    people: People, mine: Any
) -> None:
    made = ask(api_client(people.owner), *mine).json()
    assert Client().get(f"{API}/searches/{made['id']}").status_code == 200
    cancel = f"{API}/searches/{made['id']}/cancel"
    assert api_client(people.stranger).post(cancel).status_code == 404


def test_the_result_of_a_finished_search_is_result_json(people: People) -> None:
    detector, data_set = factories.detector(people.owner), factories.data_set(people.owner)
    device = factories.pool()[0]
    asked = factories.request(people.owner, detector, data_set, name="Tea", target_ids=[CPU])
    search, _ = factories.finished_search(asked, CPU, device, seed=1)
    answer = Client().get(f"{API}/searches/{search.pk}/result")
    assert answer.json() == Search.objects.get(pk=search.pk).result
    shown = Client().get(f"{API}/searches/{asked.pk}").json()["searches"][0]
    assert shown["verdict"] == answer.json()["verdict"]["sentence"]
    assert shown["entries"]
