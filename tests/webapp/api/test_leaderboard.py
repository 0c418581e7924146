"""The leaderboard over the API: what is listed, in which order, who sees what."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.browser import factories
from tests.webapp.conftest import API, People, api_client
from webapp.leaderboard import services
from webapp.leaderboard.models import Entry
from webapp.searches.models import SearchRequest

pytestmark = pytest.mark.django_db

CPU, NPU = "cpu-openvino-fp32", "npu-ethos-u55-128-int8"


def publish(
    people: People, *, target: str = CPU, seed: int = 1, visibility: str = "public", **names: str
) -> list[Entry]:
    cpu, npu = factories.pool()
    request = factories.request(
        people.owner,
        factories.detector(people.owner, public=False),
        factories.data_set(people.owner, public=False, **names),
        name="Tea party",
        target_ids=[target],
    )
    SearchRequest.objects.filter(pk=request.pk).update(visibility=visibility)
    request.refresh_from_db()
    device = cpu if target == CPU else npu
    _, entries = factories.finished_search(request, target, device, seed=seed)
    return entries


def board(client: Client | None = None, **query: Any) -> dict[str, Any]:
    answer = (client or Client()).get(f"{API}/leaderboard", query)
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def test_a_ranking_is_of_one_target_device_data_set_and_size(people: People) -> None:
    publish(people, seed=1)
    publish(people, seed=2)
    one = board()
    assert one["is_ranking"]
    ranks = [entry["rank"] for entry in one["entries"]]
    assert ranks == sorted(ranks)
    assert ranks[0] == 1
    publish(people, target=NPU)
    wide = board()
    assert not wide["is_ranking"]
    ratios = [entry["latency_ratio"] for entry in wide["entries"]]
    assert ratios == sorted(ratios)
    assert board(target=NPU)["is_ranking"]
    publish(people, seed=3, name="Another data set")
    assert not board(target=CPU)["is_ranking"]
    version = one["entries"][0]["data_set_version"]
    assert board(target=CPU, data_set=version)["is_ranking"]


def test_filters_orders_and_pages(people: People) -> None:
    for seed in range(5):
        publish(people, seed=seed)
    publish(people, target=NPU)
    everything = board()
    assert everything["count"] == len(everything["entries"]) >= 6
    assert board(kind="modelled")["count"] == board(target=NPU)["count"] > 0
    assert board(family="YOLO11n")["count"] == 0
    assert board(q="tea")["count"] == everything["count"]
    assert board(q="coffee")["count"] == 0
    assert board(owner="mallory")["count"] == 0
    maps = [entry["map50_95"] for entry in board(order="map")["entries"]]
    assert maps == sorted(maps, reverse=True)
    pages = [board(size=2, page=page)["entries"] for page in (1, 2, 3)]
    assert [e["id"] for page in pages for e in page] == [e["id"] for e in everything["entries"][:6]]
    assert Client().get(f"{API}/leaderboard", {"order": "luck"}).status_code == 422
    assert Client().get(f"{API}/leaderboard", {"size": 10_000}).status_code == 422


def test_private_entries_are_nowhere_on_the_board(people: People) -> None:
    entry = publish(people, visibility="private")[0]
    for client in (Client(), api_client(people.stranger), api_client(people.owner)):
        assert board(client)["count"] == 0
    entry.refresh_from_db()
    assert entry.rank is None
    name = next(iter(entry.files))
    for user, code in {people.owner: 200, people.stranger: 404, None: 404}.items():
        client = api_client(user)
        assert client.get(f"{API}/entries/{entry.pk}").status_code == code
        assert client.get(f"{API}/entries/{entry.pk}/files/{name}").status_code == code


def test_an_entry_has_its_arms_and_its_files(people: People) -> None:
    entry = publish(people)[0]
    body = Client().get(f"{API}/entries/{entry.pk}").json()
    assert body["latency_ratio"] == entry.ratio
    assert body["sentence"] == entry.sentence
    assert {arm["name"] for arm in body["arms"]} >= {"uploaded", "reference", entry.arm}
    assert set(body["files"]) == set(entry.files)
    for name in body["files"]:
        answer = Client().get(f"{API}/entries/{entry.pk}/files/{name}")
        assert answer.status_code == 200
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        expected = (entry.search.path / entry.files[name]).read_bytes()
        assert b"".join(answer.streaming_content) == expected  # type: ignore[attr-defined]


def test_only_the_entrys_own_files_can_be_downloaded(people: People) -> None:
    entry = publish(people)[0]
    for name in ("result.json", "..%2f..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "x"):
        assert Client().get(f"{API}/entries/{entry.pk}/files/{name}").status_code == 404
    Entry.objects.filter(pk=entry.pk).update(files={"x": "../../../../../etc/passwd"})
    assert Client().get(f"{API}/entries/{entry.pk}/files/x").status_code == 404


def test_a_withdrawn_entry_leaves_the_board_and_says_why(people: People) -> None:
    first, second = publish(people, seed=1)[0], publish(people, seed=2)[0]
    assert services.withdraw(first, by=first.owner, reason="the data set had duplicates")
    assert not services.withdraw(first, by=first.owner, reason="again")
    assert first.pk not in {entry["id"] for entry in board()["entries"]}
    body = Client().get(f"{API}/entries/{first.pk}").json()
    assert body["withdrawn_reason"] == "the data set had duplicates"
    name = next(iter(first.files))
    assert Client().get(f"{API}/entries/{first.pk}/files/{name}").status_code == 404
    second.refresh_from_db()
    assert second.rank == 1


def test_publishing_again_changes_nothing(people: People) -> None:
    entries = publish(people)
    again = services.publish(entries[0].search)
    assert [entry.pk for entry in again] == [entry.pk for entry in entries]
    assert Entry.objects.count() == len(entries)


def test_a_page_of_the_board_costs_few_queries(
    people: People, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for seed in range(4):
        publish(people, seed=seed)
    with django_assert_max_num_queries(5):  # ids first, then their rows
        board()
