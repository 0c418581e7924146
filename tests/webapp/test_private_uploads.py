"""A public search of private uploads: everybody reads its result, nobody what the uploads are."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.webapp import security_world
from tests.webapp.conftest import API
from tests.webapp.security_world import ANONYMOUS, OWNER, STAFF, STRANGER, TARGET, World
from tests.webapp.test_permissions import GETS, content
from webapp.catalog.models import DataSet, Detector
from webapp.leaderboard import ranking
from webapp.leaderboard.models import Entry, Ranking, Snapshot
from webapp.leaderboard.tasks import frame_of
from webapp.searches.models import Search, SearchEvent, SearchRequest

pytestmark = pytest.mark.django_db

HIDDEN = ("Vorpal", "snicker-snack", "tulgey-wood")  # names, and what the files were called
COUNT = 871_306_429  # images of the private data set that no figure is over


@pytest.fixture
def world() -> World:
    """Alice's searches are public and say what they can; her model and data set are private."""
    world = security_world.build()
    alice = world.people[OWNER]
    Detector.objects.filter(owner=alice).update(file="models/x/snicker-snack.pt")
    Detector.objects.filter(owner=alice).update(file_name="snicker-snack.pt")
    DataSet.objects.filter(owner=alice).update(
        file_name="tulgey-wood.zip", images={"train": COUNT, "val": COUNT, "test": 450}
    )
    SearchRequest.objects.filter(owner=alice).update(visibility="public")
    for entry in Entry.objects.filter(owner=alice, public=False):
        Entry.objects.filter(pk=entry.pk).update(public=True)
        entry.refresh_from_db()
        ranking.enter(entry)
    # What workers say names files.
    said = "snicker-snack.pt and tulgey-wood.zip do not go together"
    for search in Search.objects.filter(request__owner=alice):
        for stage in search.stages:
            stage["message"] = said
        if search.result is not None:
            search.result["data"] = {
                "sha256": "0" * 64,
                "classes": 5,
                "images": {"train": COUNT, "val": COUNT, "test": 450},
            }
        search.save()
        SearchEvent.objects.create(search=search, stage="train", kind="log", message=said)
        job = search.job
        assert job is not None
        type(job).objects.filter(pk=job.pk).update(message=said, reason=said)
    return world


def hidden(world: World) -> list[str]:
    return [*HIDDEN, str(COUNT), f"{COUNT:,}", world.ids["model_id"], world.ids["data_set_id"]]


def told(world: World, role: str) -> dict[str, str]:
    """What every address that answers 200 says to ``role``."""
    client = world.client(role)
    ids = {**world.ids, "name": "assignment.json"}
    found = {}
    for route in GETS:
        path = security_world.filled(route, ids)
        lists = "<" not in route or "entries." in route
        for query in ("", f"?target={TARGET}", "?target=all&everyone=true")[: 3 if lists else 1]:
            answer = client.get(path + query)
            # what was asked for may be said again
            if answer.status_code == 200 and not any(key in path for key in hidden(world)):
                found[path + query] = content(answer)
    compared = ",".join(Entry.objects.order_by("pk").values_list("pk", flat=True)[:4])
    for path in (f"/compare/?entries={compared}", f"/searches/new/?like={world.ids['request_id']}"):
        found[path] = content(client.get(path))
    return found


@pytest.mark.parametrize("role", [STRANGER, ANONYMOUS])
def test_strangers_read_results_and_no_private_name(world: World, role: str) -> None:
    answers = told(world, role)
    for path in (
        f"/searches/{world.ids['request_id']}/",
        f"/entries/{world.ids['entry_id']}/",
        f"{API}/searches/{world.ids['request_id']}",
        f"{API}/searches/{world.ids['finished']}/result",
        f"{API}/entries/{world.ids['entry_id']}",
    ):
        assert path in answers
    for path, text in answers.items():
        assert [word for word in hidden(world) if word in text] == [], path


def test_its_owner_and_staff_read_the_names(world: World) -> None:
    for role in (OWNER, STAFF):
        page = content(world.client(role).get(f"/searches/{world.ids['request_id']}/"))
        for word in ("Vorpal model", "Vorpal data", "snicker-snack.pt", world.ids["data_set_id"]):
            assert word in page, (role, word)
        document = world.client(role).get(f"{API}/searches/{world.ids['request_id']}").json()
        assert document["data_set"] == world.ids["data_set_id"]
        assert document["model"] == world.ids["model_id"]


def test_a_stranger_is_told_that_there_is_a_data_set(world: World) -> None:
    page = content(world.client(STRANGER).get(f"/searches/{world.ids['request_id']}/"))
    assert "a private model" in page
    assert "a private data set" in page
    document = world.client(STRANGER).get(f"{API}/searches/{world.ids['request_id']}").json()
    assert (document["model"], document["data_set"]) == (None, None)
    assert document["is_cost_study"] is False


def test_snapshots_hold_no_private_name(world: World) -> None:
    text = frame_of(Snapshot.objects.get()).to_csv()
    assert [word for word in hidden(world) if word in text] == []


def test_nothing_is_found_by_the_id_of_what_is_private(world: World) -> None:
    client = world.client(STRANGER)
    by_data = client.get(f"{API}/leaderboard", {"data_set": world.ids["data_set_id"]}).json()
    assert by_data["entries"] == []
    page = content(client.get(f"/?target=all&model={world.ids['model_id']}"))
    assert "Nothing matches" in page


def test_a_ranking_is_named_like_a_public_data_set(world: World) -> None:
    """Of the same content as the private one; and like none where there is no public one."""
    (found,) = Client().get(f"{API}/leaderboard/rankings").json()
    assert found["data_set_name"] == "Wonderland"
    DataSet.objects.update(visibility="private")
    ranking.recount(Ranking.objects.get().pk)
    (found,) = Client().get(f"{API}/leaderboard/rankings").json()
    assert found["data_set_name"] == "a private data set"


def test_a_public_search_of_a_private_model_is_not_called_like_it(world: World) -> None:
    client = world.client(OWNER)
    for visibility, name in (("public", "YOLOv8n"), ("private", "Vorpal model")):
        asked = {"model": world.ids["model_id"], "targets": [TARGET], "visibility": visibility}
        made = client.post(f"{API}/searches", asked, content_type="application/json")
        assert made.json()["name"] == name


def test_what_staff_hides_is_hidden_at_once(world: World) -> None:
    """Also where pages are kept for everybody."""
    public = DataSet.objects.get(visibility="public")
    assert "data set Wonderland" in content(Client().get(f"/?target={TARGET}"))
    change = f"/admin/catalog/dataset/{public.pk}/change/"
    form = {"name": public.name, "visibility": "private"}
    assert world.client(STAFF).post(change, form).status_code == 302
    assert "data set Wonderland" not in content(Client().get(f"/?target={TARGET}"))
