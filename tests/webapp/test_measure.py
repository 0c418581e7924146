"""Measurements that a search asks for: queued on its device, run by that device's worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from devices import noise
from devices.errors import BadRequest
from devices.protocol import Arm, File, MeasureJob, Settings, content_hash
from devices.runtimes.base import sha256
from engine.errors import Pending
from engine.services import Event
from tests.browser import factories
from tests.webapp.conftest import People, Worker
from webapp.jobs.choices import State
from webapp.jobs.context import JobContext
from webapp.jobs.models import Job
from webapp.jobs.runner import execute
from webapp.jobs.services import park
from webapp.pool.choices import DeviceState
from webapp.pool.models import Host, NoiseCheck
from webapp.pool.services import agent_beat, ensure_local
from webapp.searches import services
from webapp.searches.models import Measurement, Search
from webapp.searches.surroundings import SearchSurroundings

pytestmark = pytest.mark.django_db(transaction=True)

TARGET = "cpu-onnxruntime-fp32"


@pytest.fixture
def search(people: People) -> Search:
    ensure_local(host_name="here", cpu_model="Test CPU")
    request = services.create_request(
        owner=people.owner,
        detector=factories.detector(people.owner),
        data_set=None,
        wish=services.Wish(targets=[TARGET]),
    )
    return request.searches.get()


def surroundings(search: Search) -> SearchSurroundings:
    assert search.job is not None
    return SearchSurroundings(JobContext(search.job), search)


def tiny_model(path: Path) -> File:
    """One convolution with a ReLU behind it."""
    weights = np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w"], ["conv"], name="conv", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["conv"], ["output0"], name="act"),
        ],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 8, 32, 32])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return File(path=str(path), sha256=sha256(path))


def job(file: File, **fields: object) -> MeasureJob:
    return MeasureJob.model_validate(
        {
            "id": "a-a",
            "target": TARGET,
            "arms": [Arm(name="base", file=file), Arm(name="again", file=file)],
            "baseline": "base",
            "settings": Settings(
                min_blocks=2, max_blocks=2, rounds=2, warmup=1, warmup_ms=0, max_seconds=5
            ),
        }
        | fields
    )


def test_a_measurement_is_made_once_by_the_devices_worker(
    search: Search, site: Path, work: Worker
) -> None:
    wanted = job(tiny_model(site / "tiny.onnx"))
    for _ in range(2):  # asked twice, queued once
        with pytest.raises(Pending, match="a-a"):
            surroundings(search).measure(wanted)
    measurement = Measurement.objects.get()
    assert search.job is not None
    assert list(search.job.needs.all()) == [measurement.job]
    assert services.progress(search).position == 1

    work("device-here-cpu")

    result = surroundings(search).measure(wanted)
    assert (result.kind, result.baseline) == ("measured", "base")
    assert result.arm("again").latency_ms > 0
    check = NoiseCheck.objects.get()  # an arm that equals the baseline is an A/A comparison
    assert (check.device, check.arm, check.target) == (search.device, "again", TARGET)
    assert check.ratio == result.arm("again").ratio
    assert measurement.job is not None
    measurement.job.refresh_from_db()
    begun, ended = measurement.job.started, measurement.job.ended
    assert begun is not None
    assert ended is not None
    assert measurement.job.device_s is not None
    assert 0 < measurement.job.device_s <= (ended - begun).total_seconds()
    host = Host.objects.get()
    assert host.leased_by is None
    assert host.devices.get(slug="here-cpu").state == DeviceState.IDLE


def test_a_noisy_lease_is_measured_again_and_says_so(
    search: Search, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every lease is noisy here. The host is free while the second one waits."""
    monkeypatch.setattr(noise, "NOISY", -1.0)
    held: list[int | None] = []
    wait = JobContext.pause

    def pause(context: JobContext, seconds: float) -> None:
        held.append(Host.objects.get().leased_by_id)
        wait(context, seconds)

    monkeypatch.setattr(JobContext, "pause", pause)
    wanted = job(tiny_model(site / "tiny.onnx"))
    with pytest.raises(Pending):
        surroundings(search).measure(wanted)
    execute(Job.objects.get(kind="measure").pk)
    result = surroundings(search).measure(wanted)
    assert held == [None]
    assert result.noise is not None
    assert result.noise.noisy
    assert len(result.noise.set_aside) == 1
    assert "noisy lease: the baseline measured twice" in result.notes[-1]


def test_what_the_device_refuses_reaches_the_search(
    search: Search, site: Path, work: Worker
) -> None:
    file = tiny_model(site / "tiny.onnx")
    wrong = job(file.model_copy(update={"sha256": "0" * 64}))
    with pytest.raises(Pending):
        surroundings(search).measure(wrong)
    work("device-here-cpu")
    with pytest.raises(BadRequest, match=r"sha256|content"):
        surroundings(search).measure(wrong)
    failed = Job.objects.get(kind="measure")
    assert (failed.state, failed.attempt) == (State.FAILED, 1)


def test_the_same_request_elsewhere_has_the_same_hash(site: Path) -> None:
    file = tiny_model(site / "tiny.onnx")
    moved = file.model_copy(update={"path": "/elsewhere/tiny.onnx"})
    assert content_hash(job(file)) == content_hash(job(moved, keep_files="/elsewhere"))
    assert content_hash(job(file)) != content_hash(job(file, id="b"))
    assert content_hash(job(file)) != content_hash(job(file, baseline="again"))


def test_two_jobs_cannot_lease_one_host(search: Search, people: People) -> None:
    host = Host.objects.get()
    one = Job.objects.create(kind="measure", queue="device-a", state=State.RUNNING)
    two = Job.objects.create(kind="measure", queue="device-b", state=State.RUNNING)
    assert Host.objects.lease(host.pk, job=one)
    assert not Host.objects.lease(host.pk, job=two)
    assert not Host.objects.keep(host.pk, job=two)
    Host.objects.free(host.pk, job=two)  # not his to free
    assert Host.objects.keep(host.pk, job=one)
    # No clock takes a lease away, however it was set: its holder must have been given up.
    Host.objects.filter(pk=host.pk).update(lease_heartbeat="2020-01-01T00:00Z")
    assert not Host.objects.lease(host.pk, job=two)
    Job.objects.filter(pk=one.pk).update(state=State.QUEUED)
    assert Host.objects.lease(host.pk, job=two)
    assert not Host.objects.keep(host.pk, job=one)


def test_a_measurement_that_cannot_start_says_why(search: Search, site: Path) -> None:
    with pytest.raises(Pending):
        surroundings(search).measure(job(tiny_model(site / "tiny.onnx")))
    assert search.job is not None
    assert Job.objects.claim(search.job.pk, worker="w") is not None
    search.job.refresh_from_db()
    park(search.job, waits_for={Job.objects.get(kind="measure").pk}, message="measurement a-a")
    search.job.refresh_from_db()

    def said() -> str:
        (row,) = services.progress(search).waiting
        return str(row["message"])

    assert said() == "waits until the agent of here is back"
    agent_beat(Host.objects.get())
    assert said() == ""
    Host.objects.get().devices.update(health="maintenance", health_reason="new fan")
    assert said() == (
        "waits until This machine on here is back in service; it is in maintenance: new fan"
    )


def test_a_waiting_stage_moves_with_what_it_waits_for(search: Search, site: Path) -> None:
    asking = surroundings(search)
    asking.emit(Event("inspect", "started", "Inspect the model"))
    asking.emit(Event("inspect", "finished", "Inspect the model"))
    asking.emit(Event("cost", "started", "Measure the uniform models"))
    with pytest.raises(Pending):
        asking.measure(job(tiny_model(site / "tiny.onnx")))
    assert search.job is not None
    claimed = Job.objects.claim(search.job.pk, worker="w")
    assert claimed is not None
    park(claimed, waits_for=asking.context.blocked_by, message="measurement a-a")
    Job.objects.filter(kind="measure").update(progress=0.5)
    search = Search.objects.get(pk=search.pk)
    at = services.progress(search)
    assert (at.state, at.stage, at.fraction) == ("waiting", "cost", 0.75)
    assert [(row["name"], row["fraction"]) for row in at.stages] == [
        ("inspect", 1.0),
        ("cost", 0.5),
    ]
