"""What every target must do, whatever its runtime: one suite that a new target has to pass."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from devices import activations, graph, harness, runtimes, targets
from devices.errors import BadRequest, MeasurementFailed, Unsupported
from devices.protocol import Settings
from devices.runtimes.base import Artefact, Runtime, sha256
from devices.targets import TARGETS, Target
from tests.devices import graphs, jobs

MEASURED = [target for target in TARGETS if target.kind == "measured"]
MODELLED = [target for target in TARGETS if target.kind == "modelled"]
# Largest difference to ONNX Runtime in fp32: boxes reach 24 here, scores 1. A GPU adds up in
# another order; float16 keeps eleven bits, and the decode multiplies its error by up to 8.
TOLERANCE = {"cpu-fp32": 2e-4, "gpu-fp32": 1e-3, "gpu-fp16": 0.03}
# Int8 may differ by this share of each output row's spread, on average.
INT8_TOLERANCE = 0.12
# Int8 TFLite has no operator for these (facts of the format, not of our converter).
NOT_IN_INT8_TFLITE = {"mish", "selu"}
REFUSED = {"ethos_u": NOT_IN_INT8_TFLITE, "litert-int8": NOT_IN_INT8_TFLITE}


def _refused(target: Target) -> set[str]:
    """The activations that the target says no to, by name."""
    return REFUSED.get(target.runtime, REFUSED.get(f"{target.runtime}-{target.precision}", set()))


def _nanoseconds_elsewhere(cpus: tuple[int, ...]) -> dict[str, int]:
    """What each thread of this process that may run on other processors has run so far."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        if not os.sched_getaffinity(int(task.name)) <= set(cpus):
            found[task.name] = int((task / "schedstat").read_text().split()[0])
    return found


by_id = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.id)
running = jobs.running(TARGETS)
measured = jobs.running(MEASURED)
modelled = pytest.mark.parametrize("target", MODELLED, ids=lambda target: target.id)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conformance")


def _model(folder: Path, activation: str) -> Path:
    base = graphs.detector(sites=True)
    model = graph.swap(base, dict.fromkeys((f"{s}.act" for s in graphs.SITES), activation))
    return graphs.save(model, folder / f"{activation}.onnx")


def _convert(target: Target, model: Path, folder: Path) -> Artefact:
    runtime = runtimes.get(target)
    out = folder / f"{model.stem}-{target.id}{runtime.suffix}"
    return runtime.convert(model, target=target, out=out, calibration=graphs.images(16))


def _figures_of_the_other_kind(
    runtime: Runtime, target: Target, artefact: Path, model: Path
) -> None:
    if target.kind == "measured":
        runtime.estimate(artefact, model=model, target=target)
    else:
        runtime.profile(artefact, model=model, runs=1, threads=1)


def _reference(model: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"images": image})
    return np.asarray(output)


@pytest.mark.parametrize("activation", activations.NAMES)
@measured
def test_it_computes_every_activation_or_refuses_it_by_name(
    target: Target, activation: str, folder: Path
) -> None:
    model = _model(folder, activation)
    if activation in _refused(target):
        with pytest.raises(Unsupported, match=f"'{activation}'"):
            _convert(target, model, folder)
        return
    artefact = _convert(target, model, folder)
    session = runtimes.get(target).open(artefact.path, threads=1)
    assert session.shape == (1, 3, graphs.SIZE, graphs.SIZE)
    errors, spreads = [], []
    for image in graphs.images(4, seed=9).astype(np.float32) / np.float32(255):
        wanted = _reference(model, image[None])
        (found,) = session.run(image[None])
        assert found.shape == wanted.shape
        assert found.dtype == np.float32
        errors.append(np.abs(found - wanted))
        spreads.append(wanted)
    session.close()
    if target.precision != "int8":
        assert np.max(errors) < TOLERANCE[f"{target.hardware}-{target.precision}"]
    else:
        spread = np.std(spreads, axis=(0, 1, 3))
        share = np.mean(errors, axis=(0, 1, 3)) / spread
        assert share.max() < INT8_TOLERANCE


@pytest.mark.parametrize("activation", activations.NAMES)
@modelled
def test_a_cost_model_costs_every_activation_or_refuses_it_by_name(
    target: Target, activation: str, folder: Path
) -> None:
    model = _model(folder, activation)
    try:
        artefact = _convert(target, model, folder)
    except Unsupported as error:
        refusal = str(error)
    else:
        refusal = ""
        figure = runtimes.get(target).estimate(artefact.path, model=model, target=target)
        assert figure.latency_ms > 0
        assert figure.memory.unit == target.memory_unit
        assert figure.memory.value > 0
        total = sum(entry.ms for entry in figure.profile)
        assert total == pytest.approx(figure.latency_ms, rel=0.02)
    assert not refusal or activation in refusal
    assert (activation in refusal) == (activation in _refused(target))


@by_id
def test_an_artefact_is_whole_and_known_by_its_content(target: Target, folder: Path) -> None:
    runtime = runtimes.get(target)
    artefact = _convert(target, _model(folder, "relu"), folder)
    assert artefact.path.suffix == runtime.suffix
    assert artefact.sha256 == sha256(artefact.path)
    assert not [path for path in folder.iterdir() if path.name.startswith(".part-")]


@by_id
def test_converting_twice_gives_the_same_file(target: Target, folder: Path, tmp_path: Path) -> None:
    model = _model(folder, "silu")
    assert _convert(target, model, folder).sha256 == _convert(target, model, tmp_path).sha256


@running
def test_versions_name_what_decides_the_figures(target: Target) -> None:
    versions = runtimes.get(target).versions()
    assert versions
    assert all(version[0].isdigit() for version in versions.values())


@pytest.mark.parametrize(
    ("target", "activation"),
    [
        pytest.param(
            target,
            activation,
            id=f"{target.id}-{activation}",
            marks=[pytest.mark.gpu] if jobs.is_gpu(target) else [],
        )
        for target in MEASURED
        for activation in ("silu", "relu", "hardswish", "gelu", "elu", "mish")
        if activation not in _refused(target)
    ],
)
def test_every_site_has_a_share_of_the_profile(
    target: Target, activation: str, folder: Path
) -> None:
    model = _model(folder, activation)
    artefact = _convert(target, model, folder)
    profile = runtimes.get(target).profile(artefact.path, model=model, runs=3, threads=1)
    assert [entry.site for entry in profile] == [*(f"{s}.act" for s in graphs.SITES), ""]
    assert all(entry.ms >= 0 for entry in profile)
    assert sum(entry.ms for entry in profile) > 0


@measured
def test_memory_has_the_targets_unit_and_meaning(target: Target, folder: Path) -> None:
    model = _model(folder, "relu")
    artefact = _convert(target, model, folder)
    found = runtimes.get(target).memory(artefact.path, target=target, threads=1)
    assert (found.unit, found.meaning) == (target.memory_unit, target.memory)
    assert found.value > 0
    assert found.rss_mib is not None


@measured
def test_what_happens_only_once_is_over_after_the_warm_up(target: Target, folder: Path) -> None:
    """Plans, compiled kernels, first touches of memory: none of it may be in the samples."""
    runtime = runtimes.get(target)
    artefact = _convert(target, _model(folder, "silu"), folder)
    with harness.pinned(1):
        session = runtime.open(artefact.path, threads=1)
        image = np.zeros(session.shape, np.float32)
        for _ in range(Settings().warmup):
            session.run(image)
        times = [harness.timed(session, image) for _ in range(60)]
        session.close()
    assert np.median(times[:5]) < 3 * np.median(times[5:])


@measured
def test_a_closed_session_does_not_run(target: Target, folder: Path) -> None:
    runtime = runtimes.get(target)
    session = runtime.open(_convert(target, _model(folder, "relu"), folder).path, threads=1)
    session.close()
    session.close()
    with pytest.raises(MeasurementFailed, match="closed"):
        session.run(np.zeros(session.shape, np.float32))


@measured
def test_sessions_of_an_opener_give_the_same_bits(target: Target, folder: Path) -> None:
    runtime = runtimes.get(target)
    artefact = _convert(target, _model(folder, "gelu"), folder)
    image = graphs.images(1, seed=4).astype(np.float32) / np.float32(255)
    opener = runtime.opener(artefact.path, threads=1)
    sessions = [runtime.open(artefact.path, threads=1), opener(), opener()]
    first, *others = [session.run(image)[0] for session in sessions]
    for other in others:
        np.testing.assert_array_equal(other, first)


@measured
def test_nothing_runs_beside_the_pinned_processor(target: Target, folder: Path) -> None:
    runtime = runtimes.get(target)
    artefact = _convert(target, _model(folder, "relu"), folder)
    with harness.pinned(1) as cpus:
        session = runtime.open(artefact.path, threads=1)
        image = np.zeros(session.shape, np.float32)
        session.run(image)
        before = _nanoseconds_elsewhere(cpus)
        for _ in range(20):
            session.run(image)
        after = _nanoseconds_elsewhere(cpus)
        session.close()
    # A thread that wakes for a moment is no rival; one that computes takes milliseconds.
    assert [task for task, ran in after.items() if ran - before.get(task, 0) > 1e6] == []


@measured
def test_a_broken_artefact_is_named(target: Target, tmp_path: Path) -> None:
    path = tmp_path / f"broken{runtimes.get(target).suffix}"
    path.write_bytes(b"\x00\x01 nothing that loads")
    with pytest.raises(MeasurementFailed, match="broken") as caught:
        runtimes.get(target).open(path, threads=1)
    assert "\n" not in str(caught.value)


@by_id
def test_what_a_kind_of_target_cannot_do_is_refused(target: Target, folder: Path) -> None:
    runtime = runtimes.get(target)
    model = _model(folder, "relu")
    artefact = _convert(target, model, folder)
    with pytest.raises(Unsupported, match=runtime.name):
        _figures_of_the_other_kind(runtime, target, artefact.path, model)


@pytest.mark.parametrize(
    "target", [t for t in TARGETS if t.needs_calibration], ids=lambda target: target.id
)
def test_missing_or_wrong_calibration_is_refused(
    target: Target, folder: Path, tmp_path: Path
) -> None:
    runtime = runtimes.get(target)
    model = _model(folder, "relu")
    out = tmp_path / f"never{runtime.suffix}"
    wrong = np.zeros((2, 3, 16, 16), np.uint8)
    for images, message in ((None, "needs calibration images"), (wrong, "2, 3, 16, 16")):
        with pytest.raises(BadRequest, match=message):
            runtime.convert(model, target=target, out=out, calibration=images)
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        runtimes.RUNTIMES, "onnxruntime", ("devices.runtimes.no_such_module", "Nothing")
    )
    with pytest.raises(Unsupported, match="needs the Python package"):
        runtimes.get(targets.get("cpu-onnxruntime-fp32"))


def test_int8_leaves_the_decode_in_float(folder: Path) -> None:
    target = targets.get("cpu-onnxruntime-int8")
    artefact = _convert(target, _model(folder, "relu"), folder)
    nodes = onnx.load(artefact.path).graph.node
    quantised = {n.input[0] for n in nodes if n.op_type == "QuantizeLinear"}
    written = {out: n for n in nodes for out in n.output}
    kinds = {written[name].op_type for name in quantised if name in written}
    assert kinds <= {"Conv", "Relu"}
    assert artefact.details["calibration_images"] == 16
    assert artefact.details["float_decode_nodes"] >= 8
