"""How long a search will take, from those before it."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.browser import factories
from tests.webapp.conftest import People
from webapp.searches.estimates import Work, pace_of, work_of
from webapp.searches.models import Search, SearchRequest

pytestmark = pytest.mark.django_db

TARGET, OTHER = "cpu-openvino-fp32", "cpu-onnxruntime-int8"


@pytest.fixture
def asked(people: People) -> SearchRequest:
    """A finished search on TARGET: 757 s, of which 520 s were training (600 images)."""
    asked = factories.request(
        people.owner,
        factories.detector(people.owner),
        factories.data_set(people.owner),
        name="Tea",
        target_ids=[TARGET],
    )
    factories.finished_search(asked, TARGET, factories.pool()[0], seed=1)
    return asked


def test_a_search_is_expected_to_take_what_the_last_ones_took(asked: SearchRequest) -> None:
    pace = pace_of([TARGET, OTHER], recipe=asked.recipe, work=work_of(asked))
    stages = Search.objects.get().stages
    assert pace.total_s(TARGET) == pytest.approx(sum(stage["seconds"] for stage in stages))
    assert (pace.count(TARGET), pace.count(OTHER)) == (1, 0)
    assert pace.total_s(OTHER) is None
    assert pace.remaining_s(OTHER, stages) is None


def test_training_is_scaled_by_images_and_epochs(asked: SearchRequest) -> None:
    known = pace_of([TARGET], recipe=asked.recipe, work=work_of(asked)).total_s(TARGET)
    twice = pace_of([TARGET], recipe=asked.recipe, work=Work(images=1200)).total_s(TARGET)
    assert known is not None
    assert twice == pytest.approx(known + 340.0 + 180.0)
    assert Work(images=10**9).against(Work(images=1)) == 10.0
    assert Work(images=600, epochs=3).against(Work(images=600, epochs=6)) == 0.5


def test_what_is_done_needs_no_more_time(asked: SearchRequest) -> None:
    pace = pace_of([TARGET], recipe=asked.recipe, work=work_of(asked))
    stages = [dict(stage) for stage in Search.objects.get().stages]
    assert pace.remaining_s(TARGET, stages) == 0
    training = next(stage for stage in stages if stage["name"] == "training")
    training |= {"state": "running", "fraction": 0.75}
    assert pace.remaining_s(TARGET, stages) == pytest.approx(0.25 * training["seconds"])


def test_other_recipes_and_cost_studies_do_not_count(asked: SearchRequest) -> None:
    assert pace_of([TARGET], recipe="paper", work=work_of(asked)).count(TARGET) == 0
    assert pace_of([TARGET], recipe=asked.recipe, work=Work()).count(TARGET) == 0


def test_the_form_is_answered_for_what_is_ticked(asked: SearchRequest, people: People) -> None:
    client = Client()
    client.force_login(people.owner)
    query = {"targets": [TARGET, OTHER], "data_set": str(asked.data_set_id), "recipe": asked.recipe}
    text = client.get("/searches/new/estimate/", query).content.decode()
    assert "by the last 1 search like this" in text
    assert "no search like this has finished" in text
    assert "Choose a target" in client.get("/searches/new/estimate/").content.decode()
    odd = {"targets": "tpu-v9", "data_set": "nothing", "epochs": "many", "recipe": "magic"}
    assert client.get("/searches/new/estimate/", odd).status_code == 200
