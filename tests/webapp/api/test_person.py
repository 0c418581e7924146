"""What a person does on the pages, a script does over the API: the parts that no other file has."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client

from tests.browser import factories
from tests.webapp.api.test_leaderboard import CPU, NPU, publish
from tests.webapp.conftest import API, PASSWORD, People, api_client
from webapp.jobs.choices import State
from webapp.leaderboard.services import raw_samples
from webapp.searches.models import SearchRequest

pytestmark = pytest.mark.django_db

JSON = "application/json"


def test_tokens_are_listed_and_revoked(people: People) -> None:
    client = api_client(people.owner)
    (row,) = client.get(f"{API}/tokens").json()
    assert row["scopes"] == ["read", "write"]
    assert api_client(people.stranger).delete(f"{API}/tokens/{row['prefix']}").status_code == 404
    assert client.delete(f"{API}/tokens/{row['prefix']}").status_code == 204
    assert client.get(f"{API}/tokens").status_code == 401  # it was the one that asked


def test_the_address_and_the_password_are_changed(people: People) -> None:
    client = api_client(people.owner)
    bad = client.put(f"{API}/users/me/email", {"email": "nowhere"}, content_type=JSON)
    assert (bad.status_code, bad.json()["code"]) == (422, "not-accepted")
    address = {"email": "alice@wonderland.example"}
    me = client.put(f"{API}/users/me/email", address, content_type=JSON).json()
    assert me == {"username": "alice", **address, "email_confirmed": False}
    assert mail.outbox[-1].to == [address["email"]]
    new = {"password": PASSWORD, "new_password": "through-the-looking-glass"}
    wrong = {**new, "password": "guess"}
    put = f"{API}/users/me/password"
    assert client.put(put, wrong, content_type=JSON).status_code == 403
    assert client.put(put, {**new, "new_password": "short"}, content_type=JSON).status_code == 422
    assert client.put(put, new, content_type=JSON).status_code == 204
    assert Client().login(username="alice", password=new["new_password"])


def test_one_target_of_a_request_is_paused_resumed_and_cancelled(people: People) -> None:
    cpu, npu = factories.pool()
    asked = factories.request(
        people.owner,
        factories.detector(people.owner),
        None,
        name="Tea",
        target_ids=[CPU, NPU],
    )
    for target, device in ((CPU, cpu), (NPU, npu)):
        factories.queued_search(asked, target, device)
    client = api_client(people.owner)

    def ask(action: str, *, by: Client = client, target: str = CPU) -> int:
        path = f"{API}/searches/{asked.pk}/targets/{target}/{action}"
        return by.post(path, content_type=JSON).status_code

    def states() -> list[str]:
        return [asked.searches.get(target=target).state for target in (CPU, NPU)]

    for action, state in (
        ("pause", State.PAUSED),
        ("resume", State.QUEUED),
        ("cancel", State.CANCELLED),
        ("retry", State.QUEUED),
    ):
        assert ask(action) == 200
        assert states() == [state, State.QUEUED]
    assert ask("explode") == 422
    assert ask("cancel", target="cpu-litert-int8") == 404
    assert ask("cancel", by=api_client(people.stranger)) == 404


def test_what_others_made_public_is_listed_on_request(people: People) -> None:
    publish(people)
    SearchRequest.objects.update(visibility="public")
    factories.detector(people.owner, name="Everybody's", public=True)
    stranger = api_client(people.stranger)
    for kind in ("searches", "models"):
        assert stranger.get(f"{API}/{kind}").json() == []
        shown = stranger.get(f"{API}/{kind}?everyone=true").json()
        assert len(shown) == 1  # the model of the published search is private
    assert stranger.get(f"{API}/data-sets?everyone=true").json() == []


def test_estimates_rankings_devices_and_samples_are_there(people: People) -> None:
    (entry, *_) = publish(people)
    client = api_client(people.owner)
    data_set = entry.data_set_id
    found = client.get(
        f"{API}/searches/estimate", {"targets": [CPU, NPU], "data_set": data_set}
    ).json()
    assert [(row["target"], row["searches"]) for row in found] == [(CPU, 1), (NPU, 0)]
    assert found[0]["seconds"] > 0
    assert found[1]["seconds"] is None
    (ranking,) = Client().get(f"{API}/leaderboard/rankings").json()
    assert (ranking["target"], ranking["kind"], ranking["entries"]) == (CPU, "measured", 1)
    device = Client().get(f"{API}/devices/looking-glass-cpu").json()
    assert device["best"] == [entry.pk]
    noise = next(row for row in device["noise"] if row["target"] == CPU)
    assert noise["reach"] > 0
    assert len(noise["checks"]) == 24
    samples = Client().get(f"{API}/entries/{entry.pk}/samples").json()
    assert samples["arms"] == raw_samples(entry)
    assert Client().get(f"{API}/devices/nobody").status_code == 404
