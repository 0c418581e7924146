"""One target's best mix, really measured on the other target of its request."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings as SiteSettings

from devices import graph
from devices.protocol import File
from devices.runtimes.base import sha256
from tests.browser import factories
from tests.devices import graphs, jobs
from tests.webapp.conftest import API, People, Worker, api_client
from webapp.errors import NotReady, QuotaExceeded, Refused
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.pool.services import ensure_local
from webapp.searches import cross
from webapp.searches.models import Measurement, Search, SearchRequest

pytestmark = pytest.mark.django_db(transaction=True)

NPU, CPU = "npu-ethos-u55-128-int8", "cpu-onnxruntime-int8"


@pytest.fixture
def asked(people: People, site: Path) -> SearchRequest:
    """A request whose two searches found mixes; their files are tiny detectors, and real."""
    host = ensure_local(host_name="here", cpu_model="Test CPU")
    request = factories.request(
        people.owner,
        factories.detector(people.owner),
        factories.data_set(people.owner),
        name="Tea",
        target_ids=[NPU, CPU],
    )
    for seed, (target, slug) in enumerate(((NPU, "here-ethos-u"), (CPU, "here-cpu"))):
        device = host.devices.get(slug=slug)
        search, _ = factories.finished_search(request, target, device, seed=seed)
        search.measurements.all().delete()
        images = jobs.calibration(search.path)
        settings = jobs.QUICK.model_dump(mode="json")
        Measurement.objects.create(
            search=search,
            device=device,
            hash=f"final {target}",
            document={
                "id": "final",
                "settings": settings,
                "calibration": images.model_dump(mode="json"),
            },
        )
        _export(search, "reference", "silu")
        _export(search, "mix", "relu" if target == NPU else "hardswish")
        search.save()
    return request


def _export(search: Search, arm: str, activation: str) -> None:
    """Give an arm the tiny detector with this activation as its exported file."""
    assert search.result is not None
    model = graph.swap(graphs.detector(sites=True), dict.fromkeys(jobs.SITES, activation))
    path = graphs.save(model, search.path / f"{arm}.onnx")
    document = next(one for one in search.result["arms"] if one["name"] == arm)
    document["details"]["onnx"] = File(path=path.name, sha256=sha256(path)).model_dump()


def matrix(request: SearchRequest) -> cross.Matrix:
    (found,) = cross.matrices(request.searches.select_related("request").order_by("pk"))
    return found


def test_each_mix_is_measured_on_the_other_target(
    asked: SearchRequest, people: People, work: Worker
) -> None:
    assert len(matrix(asked).missing) == 2
    owner, page = Client(), f"/searches/{asked.pk}/"
    owner.force_login(people.owner)
    assert "Measure the missing pairs" in owner.get(page).content.decode()
    owner.post(f"{page}cross/")
    assert set(matrix(asked).pending) == {NPU, CPU}
    assert "Being measured on" in owner.get(page).content.decode()

    work("device-here-cpu", "device-here-ethos-u")

    found = matrix(asked)
    assert (found.missing, found.pending, found.broken) == ([], [], [])
    assert found.verdict
    for mix, cells in found.rows:
        for target, cell in zip(found.targets, cells, strict=True):
            measured = Measurement.objects.get(search__target=target, document__id=cross.CROSS)
            assert measured.result is not None
            arm = next(one for one in measured.result["arms"] if one["name"] == f"mix {mix.hash}")
            assert cell is not None
            assert (cell.ratio, cell.own) == (arm["ratio"], target == mix.search.target)
            assert (cell.low is None) == (target == NPU)  # modelled figures have no interval
    text = Client().get(page).content.decode()
    assert "Best mix of" in text
    assert found.verdict in unescape(text)
    answer = Client().get(f"{API}/searches/{asked.pk}/cross").json()
    assert answer["verdict"] == found.verdict
    assert len(answer["cells"]) == 4
    assert all(cell["ratio"] for cell in answer["cells"])
    assert cross.ask(asked, by=people.owner) == 0  # nothing is measured twice


def test_only_the_owner_asks_and_only_within_the_quota(
    asked: SearchRequest, people: People, settings: SiteSettings
) -> None:
    stranger = Client()
    stranger.force_login(people.stranger)
    assert stranger.post(f"/searches/{asked.pk}/cross/").status_code == 403
    assert api_client(people.stranger).post(f"{API}/searches/{asked.pk}/cross").status_code == 404
    settings.QUOTA_DEVICE_S_A_DAY = 5
    Job.objects.create(
        kind="measure", queue="x", owner=people.owner, device_s=5.0, started=asked.created
    )
    with pytest.raises(QuotaExceeded, match="device time"):
        cross.ask(asked, by=people.owner)
    assert not Measurement.objects.filter(document__id=cross.CROSS).exists()
    assert cross.ask(asked, by=people.admin) == 2


def test_what_failed_is_told_and_tried_again(asked: SearchRequest, people: People) -> None:
    cross.ask(asked, by=people.owner)
    Job.objects.filter(kind="measure").update(state=State.FAILED, reason="the tea was cold")
    found = matrix(asked)
    assert {reason for _, reason in found.broken} == {"the tea was cold"}
    assert found.can_be_measured
    assert cross.ask(asked, by=people.owner) == 2
    assert set(matrix(asked).pending) == {NPU, CPU}


def test_it_needs_two_finished_searches_with_a_mix_and_its_file(
    asked: SearchRequest, people: People
) -> None:
    first, second = asked.searches.order_by("pk")
    assert first.job is not None
    Job.objects.filter(pk=first.job.pk).update(state=State.RUNNING)
    with pytest.raises(NotReady, match="still going on"):
        cross.ask(asked, by=people.owner)
    Job.objects.filter(pk=first.job.pk).update(state=State.FINISHED)
    (first.path / "mix.onnx").unlink()
    with pytest.raises(NotReady, match=f"{first.pk} kept no exported file of its arm 'mix'"):
        cross.ask(asked, by=people.owner)
    assert second.result is not None
    second.result["arms"] = [one for one in second.result["arms"] if one["name"] != "mix"]
    second.save()
    with pytest.raises(Refused, match="a mix for 1 targets; at least 2"):
        cross.ask(asked, by=people.owner)
