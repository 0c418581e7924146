"""What holds for every request: problems, cursors, repeats, ETags, limits, the schema."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Model
from django.db.models.signals import post_save
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from tests.browser import factories
from tests.webapp.api.test_leaderboard import publish
from tests.webapp.conftest import API, People, api_client
from webapp.api.models import Replay
from webapp.catalog.models import Detector
from webapp.jobs.models import Job
from webapp.jobs.processes import this_process
from webapp.searches.models import Search, SearchRequest

pytestmark = pytest.mark.django_db(transaction=True)


def ask(client: Client, key: str, **changes: Any) -> Any:
    body = {
        "model": Detector.objects.get().pk,
        "targets": ["cpu-openvino-fp32"],
        **changes,
    }
    headers = {"Idempotency-Key": key}
    return client.post(f"{API}/searches", body, "application/json", headers=headers)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/entries/nothing", 404, "not-found"),
        ("/models", 401, "not-signed-in"),
        ("/leaderboard?order=luck", 422, "not-accepted"),
        ("/leaderboard?size=0", 422, "not-accepted"),
        ("/leaderboard?cursor=tea", 422, "not-accepted"),
    ],
)
def test_a_problem_has_a_code_that_programs_can_rely_on(path: str, status: int, code: str) -> None:
    answer = Client().get(API + path)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["type"]) == (code, f"urn:actnas:problem:{code}")


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/rabbit-hole", 404, "/api/v1/rabbit-hole is no address of the API"),
        ("PATCH", "/targets", 405, "PATCH is not allowed here; allowed: GET"),
        ("GET", "/entries/%00", 400, "holds the character NUL"),
        ("GET", "/leaderboard?q=%00", 400, "holds the character NUL"),
        ("GET", f"/leaderboard?cursor={'W1tb' * 2000}", 422, "the cursor is none of this list"),
    ],
)
def test_every_refusal_is_a_problem(method: str, path: str, status: int, said: str) -> None:
    answer = Client().generic(method, API + path)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]
    assert status != 405 or answer["Allow"] == "GET"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"null", 422, "is no JSON object"),
        (b"[]", 422, "is no JSON object"),
        (b"{", 400, "Cannot parse request body"),
        (b'{"q": "\\u0000"}', 422, "q: Value error, holds the character NUL"),
        (b'{"q": "\\ud800"}', 422, "q: Value error, holds the character NUL or half"),
        (b'{"q": "' + b"a" * 3_000_000 + b'"}', 413, "more than 2,621,440 bytes"),
    ],
    ids=["null", "list", "no JSON", "NUL", "half a character", "too long"],
)
@pytest.mark.parametrize("key", ["", "tea"])
def test_a_bad_body_is_refused(
    people: People, body: bytes, status: int, said: str, key: str
) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    answer = api_client(people.owner).generic(
        "POST", f"{API}/leaderboard/snapshots", body, "application/json", headers=headers
    )
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


def test_a_number_beyond_every_float_is_refused(people: People) -> None:
    factories.detector(people.owner)
    factories.pool()
    answer = ask(api_client(people.owner), "tea", epochs=10**400)
    assert answer.status_code == 422
    assert "up to 300" in answer.json()["detail"]


@pytest.mark.parametrize("order", ["", "rank", "map", "loss", "memory", "newest"])
def test_cursors_miss_and_repeat_nothing(people: People, order: str) -> None:
    from webapp.leaderboard.models import Entry

    for seed in range(5):
        publish(people, seed=seed)
    Entry.objects.filter(pk=Entry.objects.all()[0].pk).update(loss=None, memory=None)
    whole = Client().get(f"{API}/leaderboard", {"order": order}).json()
    assert whole["next"] is None
    seen: list[str] = []
    cursor = ""
    while True:
        query: dict[str, Any] = {"order": order, "size": 2, "cursor": cursor}
        answer = Client().get(f"{API}/leaderboard", query)
        seen += [entry["id"] for entry in answer.json()["entries"]]
        cursor = answer.json()["next"]
        if cursor is None:
            assert "Link" not in answer
            break
        assert 'rel="next"' in answer["Link"]
    assert seen == [entry["id"] for entry in whole["entries"]]
    assert len(seen) == whole["count"] >= 5


def test_a_cursor_of_another_list_is_refused(people: People) -> None:
    for seed in range(3):
        publish(people, seed=seed)
    cursor = Client().get(f"{API}/leaderboard?size=1&order=map").json()["next"]
    answer = Client().get(f"{API}/leaderboard", {"cursor": cursor, "order": "loss"})
    assert answer.status_code == 422
    assert "cursor is none of this list" in answer.json()["detail"]


def test_the_link_header_leads_through_a_list(people: People) -> None:
    for index in range(3):
        factories.detector(people.owner, name=f"Cat {index}")
    client = api_client(people.owner)
    path, names = f"{API}/models?size=2", []
    while path:
        answer = client.get(path)
        names += [model["name"] for model in answer.json()]
        path = answer.get("Link", "").partition("<")[2].partition(">")[0]
    assert names == ["Cat 2", "Cat 1", "Cat 0"]
    assert client.get(f"{API}/models?size=1000").status_code == 422


def test_a_repeated_request_is_done_once(people: People) -> None:
    factories.detector(people.owner)
    factories.pool()
    client = api_client(people.owner)
    first, second = ask(client, "tea-1"), ask(client, "tea-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second["Idempotent-Replay"] == "true"
    assert "Idempotent-Replay" not in first
    assert SearchRequest.objects.count() == 1
    assert ask(client, "tea-2").json()["id"] != first.json()["id"]

    other = ask(client, "tea-1", seed=7)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    Replay.objects.filter(status=201).update(status=0)
    busy = ask(client, "tea-1")
    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency-key-in-use")
    assert busy["Retry-After"] == "2"


def test_the_key_of_a_request_whose_process_died_is_free_at_once(people: People) -> None:
    factories.detector(people.owner)
    factories.pool()
    client = api_client(people.owner)
    assert ask(client, "tea-1").status_code == 201
    host, pid, start = this_process().split(":")
    dead = f"{host}:{pid}:{int(start) - 1}"  # one that had our number before
    Replay.objects.update(status=0, worker=dead)
    again = ask(client, "tea-1")
    assert (again.status_code, "Idempotent-Replay" in again) == (201, False)
    # Nobody here can tell whether a process elsewhere lives: only time does.
    Replay.objects.update(status=0, worker=f"another-{host}:{pid}:{start}")
    assert ask(client, "tea-1").status_code == 409
    Replay.objects.update(created=timezone.now() - timedelta(hours=1))
    assert ask(client, "tea-1").status_code == 201


def test_who_lost_the_key_to_somebody_else_leaves_nothing(people: People) -> None:
    """A web process that others thought dead comes to the end of its work after all."""
    factories.detector(people.owner)
    factories.pool()
    client = api_client(people.owner)

    def give_away(**_: object) -> None:
        Replay.objects.all().delete()

    with after_saving(SearchRequest, give_away):
        late = ask(client, "tea-1")
    assert (late.status_code, late.json()["code"]) == (409, "idempotency-key-in-use")
    assert not SearchRequest.objects.exists()
    assert not Job.objects.exists()
    assert (ask(client, "tea-1").status_code, SearchRequest.objects.count()) == (201, 1)


def test_what_breaks_half_way_leaves_nothing(people: People) -> None:
    factories.detector(people.owner)
    factories.pool()
    client = api_client(people.owner)

    def lose(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with after_saving(Search, lose):
        broken = ask(client, "tea-1")
    assert (broken.status_code, broken.json()["code"]) == (507, "storage-full")
    assert not SearchRequest.objects.exists()
    assert (ask(client, "tea-1").status_code, SearchRequest.objects.count()) == (201, 1)


def test_another_person_s_key_is_another_key(people: People) -> None:
    factories.detector(people.owner)
    factories.pool()
    mine = ask(api_client(people.owner), "tea").json()["id"]
    theirs = ask(api_client(people.stranger), "tea").json()["id"]
    assert mine != theirs


def test_a_refused_request_may_be_mended_under_the_same_key(people: People) -> None:
    factories.detector(people.owner)
    factories.pool()
    client = api_client(people.owner)
    assert ask(client, "tea", imgsz=100).status_code == 422
    assert ask(client, "tea").status_code == 201
    assert ask(client, "k" * 201).json()["code"] == "bad-idempotency-key"


def test_answers_with_secrets_are_never_kept(people: People) -> None:
    body = {"username": "alice", "password": "a-curious-password-7"}
    headers = {"Idempotency-Key": "tea"}
    tokens = {
        Client().post(f"{API}/tokens", body, "application/json", headers=headers).json()["token"]
        for _ in range(2)
    }
    assert len(tokens) == 2
    assert not Replay.objects.exists()


def test_what_has_not_changed_is_not_sent_again(people: People) -> None:
    publish(people)
    first = Client().get(f"{API}/leaderboard")
    again = Client().get(f"{API}/leaderboard", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    publish(people, seed=2)
    changed = Client().get(f"{API}/leaderboard", headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_past_the_limit_a_request_waits(people: People, settings: Settings) -> None:
    settings.RATE_READS = 2
    for address in ("10.0.0.1", "10.0.0.2"):
        client = Client(REMOTE_ADDR=address)
        answers = [client.get(f"{API}/targets") for _ in range(3)]
        if int(answers[0]["RateLimit-Reset"]) >= int(answers[2]["RateLimit-Reset"]):
            break  # otherwise a minute began in between: once more, from an address not counted yet
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].json()["code"] == "too-many-requests"
    assert 0 < int(answers[2]["Retry-After"]) <= 60
    # Elsewhere, and for other things, there is room.
    assert Client(REMOTE_ADDR="10.0.0.9").get(f"{API}/targets").status_code == 200
    settings.RATE_SIGN_IN = 1
    form = {"username": "alice", "password": "guess"}
    pages = [Client().post("/accounts/login/", form) for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 429]
    assert b"<h1>Too many forms</h1>" in pages[1].content
    assert 0 < int(pages[1]["Retry-After"]) <= 60


def test_without_redis_nothing_is_counted_and_all_is_answered(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = Client().get(f"{API}/targets")
    assert answer.status_code == 200
    assert "RateLimit-Limit" not in answer


def test_the_schema_names_problems_and_has_examples() -> None:
    schema = json.loads(Client().get(f"{API}/openapi.json").content)
    operations = [
        operation
        for path in schema["paths"].values()
        for verb, operation in path.items()
        if verb in {"get", "post", "delete"}
    ]
    assert len(operations) > 20
    assert all("default" in operation["responses"] for operation in operations)
    schemas = schema["components"]["schemas"]
    for name in ("SearchIn", "Credentials", "SignUp", "Problem", "SnapshotIn"):
        assert schemas[name]["example"], name


@contextmanager
def after_saving(kind: type[Model], do: Callable[..., None]) -> Iterator[None]:
    """``do`` is done whenever a row of that kind was saved."""
    post_save.connect(do, sender=kind)
    try:
        yield
    finally:
        post_save.disconnect(do, sender=kind)
