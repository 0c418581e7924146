"""The form for a new search: what it says at its fields, and what it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client

from devices.targets import TARGETS
from engine import search as engine_search
from engine.costs import COST_MODELS
from engine.epochs import FEWEST
from engine.errors import BadSearch
from engine.training import spec as engine_spec
from engine.training.spec import TrainingSettings
from tests.webapp.pages.conftest import TARGET, World
from webapp.pool.models import Device
from webapp.searches.choices import Augment, CostModel, Unit
from webapp.searches.models import SearchRequest
from webapp.searches.tasks import spec_of

Browse = Callable[[User | None], Client]


def filled(world: World, **changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "detector": world.model.pk,
        "data_set": world.data.pk,
        "max_map_loss": "0.005",
        "targets": [TARGET],
        "activations": ["relu", "silu"],
        "recipe": "supernet",
        "seed": "0",
        "visibility": "public",
    }
    return asked | changes


def hardware_of(device: Device) -> set[str]:
    return {target.hardware for target in TARGETS if target.id in device.targets}


@pytest.mark.parametrize("epochs", range(1, FEWEST))
def test_too_few_epochs_are_told_at_the_field(world: World, browse: Browse, epochs: int) -> None:
    answer = browse(world.alice).post("/searches/new/", filled(world, epochs=str(epochs)))
    assert answer.status_code == 422
    assert f"greater than or equal to {FEWEST}" in answer.content.decode()
    assert not SearchRequest.objects.exists()


def test_the_form_and_the_engine_mean_the_same_fewest_epochs(world: World) -> None:
    settings = TrainingSettings(imgsz=64, activations=("relu", "silu"))
    assert settings.scaled(FEWEST).adapt_epochs >= 1
    with pytest.raises(BadSearch, match=f"at least {FEWEST}"):
        settings.scaled(FEWEST - 1)


def test_what_the_form_offers_is_what_the_engine_is_asked(world: World, browse: Browse) -> None:
    assert set(CostModel.values) - {None} == set(COST_MODELS)
    assert set(Augment.values) == set(get_args(engine_spec.Augment))
    assert set(Unit.values) == set(get_args(engine_search.Unit))
    world.model.file.save("model.onnx", ContentFile(b"x"))
    client = browse(world.alice)
    study = filled(world, data_set="")
    client.post(
        "/searches/new/", study | {"augment": "none", "cost_model": "combined", "unit": "block"}
    )
    asked = SearchRequest.objects.get()
    spec = spec_of(asked.searches.get())
    assert (spec.augment, spec.cost_model, spec.unit) == ("none", "combined", "block")
    text = client.get(f"/searches/{asked.pk}/").content.decode()
    assert "Profiles, checked on mixes not seen" in text
    client.post("/searches/new/", study)
    spec = spec_of(SearchRequest.objects.latest("created").searches.get())
    assert (spec.augment, spec.cost_model, spec.unit) == ("shift", None, "site")


def test_a_cost_study_promises_no_accuracy(world: World, browse: Browse) -> None:
    client = browse(world.alice)
    assert "accuracy limit is left out" in client.get("/searches/new/").content.decode()
    estimate = f"/searches/new/estimate/?targets={TARGET}&data_set="
    assert "accuracy limit is left out" in client.get(estimate).content.decode()
    assert "left out" not in client.get(estimate + world.data.pk).content.decode()
    client.post("/searches/new/", filled(world, data_set=""))
    client.post("/searches/new/", filled(world))
    limits = dict(SearchRequest.objects.values_list("data_set", "max_map_loss"))
    assert limits == {None: None, world.data.pk: 0.005}


def test_targets_are_grouped_by_hardware_and_the_rest_is_folded(
    world: World, browse: Browse
) -> None:
    text = browse(world.alice).get("/searches/new/").content.decode()
    shown = re.sub(r'<details class="more-choices".*?</details>', "", text, flags=re.DOTALL)
    assert text.count('name="targets"') == len(TARGETS)  # none is lost
    offered = {hardware for device in Device.objects.all() for hardware in hardware_of(device)}
    assert shown.count('name="targets"') == len(offered)
    chosen = [target.id for target in TARGETS if target.hardware == "cpu"][:3]
    again = browse(world.alice).post("/searches/new/", filled(world, targets=chosen, seed="x"))
    unfolded = re.sub(
        r'<details class="more-choices".*?</details>', "", again.content.decode(), flags=re.DOTALL
    )
    for target in chosen:  # what is ticked is never hidden
        assert f'id="target-{target}"' in unfolded
