"""What a person does on the pages, a script does over the API: the parts that no other file has."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from tests.browser import factories
from tests.webapp.api.test_leaderboard import CPU, NPU, publish
from tests.webapp.conftest import API, PASSWORD, People, api_client
from webapp.jobs.choices import State
from webapp.leaderboard.services import raw_samples
from webapp.searches.models import SearchEvent, SearchRequest

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


def mailed() -> list[str]:
    """The parts of the address in the latest mail's link."""
    (link,) = re.findall(r"https?://\S+", str(mail.outbox[-1].body))
    return str(link).rstrip("/").split("/")


def test_an_address_is_confirmed_without_a_browser(people: People) -> None:
    client = api_client(people.owner)
    address = {"email": "alice@wonderland.example"}
    client.put(f"{API}/users/me/email", address, content_type=JSON)
    confirm = f"{API}/users/email-confirmations"
    forged = Client().post(confirm, {"token": "forged"}, content_type=JSON)
    assert (forged.status_code, forged.json()["code"]) == (410, "gone")
    done = Client().post(confirm, {"token": mailed()[-1]}, content_type=JSON)
    assert done.json() == {"username": "alice", **address, "email_confirmed": True}


def test_a_forgotten_password_is_replaced_without_a_browser(people: People) -> None:
    """The answer tells nobody who has an account; a link works once."""
    User.objects.filter(pk=people.owner.pk).update(email="alice@wonderland.example")
    forgotten, choose = f"{API}/users/forgotten-password", f"{API}/users/new-password"
    for address, mails in (("nobody@wonderland.example", 0), ("alice@wonderland.example", 1)):
        asked = Client().post(forgotten, {"email": address}, content_type=JSON)
        assert (asked.status_code, asked.content, len(mail.outbox)) == (204, b"", mails)
    *_, uid, token = mailed()
    link = {"uid": uid, "token": token}

    def chosen(password: str, **other: str) -> int:
        body = {**link, "new_password": password, **other}
        return Client().post(choose, body, content_type=JSON).status_code

    assert chosen("through-the-looking-glass", uid="???") == 410
    assert chosen("through-the-looking-glass", token="forged") == 410
    assert chosen("short") == 422
    assert chosen("through-the-looking-glass") == 204
    assert chosen("and-what-alice-found-there") == 410
    assert Client().login(username="alice", password="through-the-looking-glass")


def test_the_log_is_read_page_by_page(people: People) -> None:
    (entry, *_) = publish(people)
    search = entry.search
    for number in range(3):
        SearchEvent.objects.create(search=search, stage="train", kind="log", message=str(number))
    path: str | None = f"{API}/searches/{search.request_id}/log?size=2"
    read: list[str] = []
    while path is not None:
        answer = api_client(people.owner).get(path)
        read += [row["message"] for row in answer.json()]
        following = re.search("<(.+)>", answer.headers.get("Link", ""))
        path = following[1] if following else None
    assert read[:3] == ["2", "1", "0"]
    assert len(read) == SearchEvent.objects.filter(search=search).count()


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
    assert len(device["health_checks"]) == 30
    assert device["health_checks"][-1]["latency_ms"] > 0
    (change,) = device["health_changes"]
    assert (change["was"], change["now"], change["by"]) == ("noisy", "good", "a check")
    samples = Client().get(f"{API}/entries/{entry.pk}/samples").json()
    assert samples["arms"] == raw_samples(entry)
    assert Client().get(f"{API}/devices/nobody").status_code == 404
