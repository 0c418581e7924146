from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

from devices import graph, targets
from devices.convert import tflite
from devices.errors import BadRequest, Unsupported
from devices.runtimes import get, vela
from devices.runtimes.base import Modelled
from devices.runtimes.ethos_u import EthosU
from devices.targets import Target
from engine import export, loading
from engine.data import open_data
from tests.devices.convert import small_nets
from tests.devices.convert.small_nets import Net

TARGET = targets.get("npu-ethos-u55-128-int8")
CONFIGURATION = vela.Configuration(
    accelerator="ethos-u55-128", system="Ethos_U55_High_End_Embedded", memory="Shared_Sram"
)


@pytest.fixture(scope="module")
def detector(abd_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real YOLOv8n at 160 px, as the engine exports it: 57 SiLU sites."""
    path = tmp_path_factory.mktemp("detector") / "detector.onnx"
    model = loading.load(abd_checkpoint, imgsz=160)
    assert model.net is not None
    export.export(model.net, path, imgsz=160, names=model.names)
    return path


def _estimate(
    base: Path, mapping: dict[str, str], folder: Path, target: Target = TARGET
) -> Modelled:
    model = folder / "swapped.onnx"
    onnx.save(graph.swap(onnx.load(base), mapping), model)
    runtime = get(target)
    artefact = runtime.convert(
        model, target=target, out=folder / f"model{runtime.suffix}", calibration=None
    )
    return runtime.estimate(artefact.path, model=model, target=target)


def _sites(base: Path) -> list[str]:
    return [site.key for site in graph.find_sites(onnx.load(base))]


def _save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def _with_option(name: str, value: str | None) -> Target:
    options = dict(TARGET.options)
    if value is None:
        del options[name]
    else:
        options[name] = value
    return replace(TARGET, options=tuple(options.items()))


def test_uniform_models_of_the_real_detector(detector: Path, tmp_path: Path) -> None:
    sites = _sites(detector)
    assert len(sites) == 57
    silu, relu, hardswish = (
        _estimate(detector, dict.fromkeys(sites, name), tmp_path)
        for name in ("silu", "relu", "hardswish")
    )
    assert 0.6 < relu.latency_ms / silu.latency_ms < 0.8
    assert relu.latency_ms < hardswish.latency_ms < silu.latency_ms
    assert relu.memory.unit == "KiB"
    assert 100 < relu.memory.value < 400
    # A table costs the same whatever it holds.
    assert silu.details["latency_ms_silu_table"] == hardswish.latency_ms
    assert relu.details["latency_ms_silu_table"] == relu.latency_ms


def test_the_profile_covers_every_site_and_adds_up(detector: Path, tmp_path: Path) -> None:
    sites = _sites(detector)
    silu = _estimate(detector, {}, tmp_path)
    assert [time.site for time in silu.profile] == [*sites, ""]
    assert all(time.ms > 0 for time in silu.profile)
    assert sum(time.ms for time in silu.profile) == pytest.approx(silu.latency_ms)
    swapped = _estimate(detector, {sites[1]: "relu"}, tmp_path)
    changed = {
        old.site
        for old, new in zip(silu.profile, swapped.profile, strict=True)
        if abs(old.ms - new.ms) > 0.02 * old.ms
    }
    assert changed == {sites[1]}


def test_one_swap_deltas_add_up(detector: Path) -> None:
    first, *_, middle, last = _sites(detector)[:30]
    swaps = {first: "relu", middle: "hardswish", last: "leaky_relu"}
    model = onnx.load(detector)

    def latency(mapping: dict[str, str]) -> float:
        content = tflite.convert(graph.swap(model, mapping), lowering="tflite").content
        return vela.estimate(content, CONFIGURATION).latency_ms

    base = latency({})
    deltas = [latency({site: activation}) - base for site, activation in swaps.items()]
    assert all(delta < 0 for delta in deltas)
    together = latency(swaps)
    assert together == pytest.approx(base + sum(deltas), rel=0.002)


def test_the_real_detector_loads_in_litert(detector: Path, tmp_path: Path) -> None:
    artefact = EthosU().convert(
        detector, target=TARGET, out=tmp_path / "model.tflite", calibration=None
    )
    interpreter = Interpreter(model_path=str(artefact.path), num_threads=1)
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    assert list(image["shape"]) == [1, 160, 160, 3]
    interpreter.invoke()
    shapes = [tuple(map(int, out["shape"])) for out in interpreter.get_output_details()]
    assert sorted(shapes) == sorted(
        (1, size, size, channels) for size in (20, 10, 5) for channels in (64, 147)
    )
    assert len(artefact.details["npu_outputs"]) == 6


def test_the_estimate_is_that_of_velas_own_command(tmp_path: Path) -> None:
    model = _save(small_nets.every_layer(), tmp_path)
    artefact = EthosU().convert(
        model, target=TARGET, out=tmp_path / "model.tflite", calibration=None
    )
    ours = EthosU().estimate(artefact.path, model=model, target=TARGET)
    options = dict(TARGET.options)
    subprocess.run(
        [
            *(sys.executable, "-m", "ethosu.vela", str(artefact.path)),
            *("--output-dir", str(tmp_path / "vela"), "--config", "Arm/vela.ini"),
            *("--accelerator-config", options["accelerator_config"]),
            *("--system-config", options["system_config"]),
            *("--memory-mode", options["memory_mode"]),
        ],
        check=True,
        capture_output=True,
    )
    (summary,) = (tmp_path / "vela").glob("*_summary_*.csv")
    (row,) = csv.DictReader(summary.open())
    assert float(row["inference_time"]) * 1e3 == pytest.approx(ours.latency_ms)
    assert float(row["sram_memory_used"]) == pytest.approx(ours.memory.value)


def test_it_says_what_the_figures_stand_on(tmp_path: Path) -> None:
    estimate = _estimate(_save(small_nets.two_convolutions(), tmp_path), {}, tmp_path)
    text = "; ".join(estimate.notes)
    for word in (
        "Vela 5.",
        "ethos-u55-128, Ethos_U55_High_End_Embedded, Shared_Sram",
        "not a board",
    ):
        assert word in text
    assert "LOGISTIC + MUL" in text
    assert "ranges not calibrated" in text
    assert estimate.details["system_config"] == "Ethos_U55_High_End_Embedded"


def test_the_table_lowering_is_a_target_option(tmp_path: Path) -> None:
    path = _save(small_nets.two_convolutions(), tmp_path)
    chain = _estimate(path, {}, tmp_path)
    table = _estimate(path, {}, tmp_path, _with_option("lowering", "table"))
    assert table.latency_ms < chain.latency_ms
    assert chain.details["latency_ms_silu_table"] == table.latency_ms
    assert table.details["latency_ms_silu_table"] == table.latency_ms


def test_it_compares_with_the_baseline_under_the_same_table_lowering(tmp_path: Path) -> None:
    path = _save(small_nets.two_convolutions(), tmp_path)
    silu = _estimate(path, {}, tmp_path)
    relu = _estimate(path, {"act0": "relu", "act1": "relu"}, tmp_path)
    beside = get(TARGET).compare(relu, silu)
    ratio = relu.latency_ms / silu.details["latency_ms_silu_table"]
    assert beside == {"ratio_to_silu_table_baseline": ratio}
    assert relu.latency_ms / silu.latency_ms < ratio <= 1


def test_it_refuses_a_model_that_falls_back_to_the_cpu(tmp_path: Path) -> None:
    # Ethos-U pools over windows of at most 256 rows.
    net = Net(1, 3, 300, 8)
    x = net.conv("conv0", "images", (3, 4))
    net.op("MaxPool", "tall", x, kernel_shape=[257, 1], strides=[1, 1])
    path = _save(net.model("tall"), tmp_path)
    with pytest.raises(
        Unsupported, match=r"cannot run MaxPool \(writes tall\).*fall back to the CPU"
    ):
        _estimate(path, {}, tmp_path)


@pytest.mark.parametrize("net", [small_nets.grouped, small_nets.attention, small_nets.resized])
def test_every_ethos_u_places_what_families_are_made_of(
    net: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    """Groups, attention, average pooling, transposed convolution: nothing is left to the CPU."""
    path = _save(net(), tmp_path)
    for target in (t for t in targets.TARGETS if t.runtime == "ethos_u"):
        assert _estimate(path, {}, tmp_path, target).latency_ms > 0


def test_a_refused_model_leaves_no_file(tmp_path: Path) -> None:
    path = _save(graph.swap(small_nets.two_convolutions(), {"act0": "mish"}), tmp_path)
    with pytest.raises(Unsupported, match="'mish'"):
        EthosU().convert(path, target=TARGET, out=tmp_path / "x.tflite", calibration=None)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("name", ["accelerator_config", "system_config", "memory_mode", "lowering"])
@pytest.mark.parametrize("value", [None, "nonsense"])
def test_it_needs_every_option(tmp_path: Path, name: str, value: str | None) -> None:
    path = _save(small_nets.two_convolutions(), tmp_path)
    with pytest.raises(Unsupported, match=value or name):
        _estimate(path, {}, tmp_path, _with_option(name, value))


def test_it_refuses_bytes_that_are_no_tflite_file() -> None:
    with pytest.raises(BadRequest, match="not a TFLite file"):
        vela.estimate(b"something else", CONFIGURATION)


@pytest.mark.parametrize("activation", ["silu", "relu", "hardswish", "leaky_relu"])
def test_ranges_do_not_move_the_figures(activation: str) -> None:
    """That is what lets a file with fixed ranges stand for a calibrated one."""
    model = small_nets.every_layer(activation)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 60, 60), np.uint8)
    fixed = vela.estimate(tflite.convert(model, lowering="tflite").content, CONFIGURATION)
    content = tflite.convert(model, lowering="tflite", images=images).content
    other = vela.estimate(content, CONFIGURATION)
    assert other.latency_ms == pytest.approx(fixed.latency_ms, rel=0.001)
    assert other.peak_sram == fixed.peak_sram


def test_a_calibrated_detector_gives_boxes_and_scores(
    detector: Path, molecules: Path, tmp_path: Path
) -> None:
    images = open_data(molecules).arrays("val", 160, limit=6).images
    runtime = EthosU()
    artefact = runtime.convert(
        detector, target=TARGET, out=tmp_path / "model.tflite", calibration=images[:4]
    )
    assert artefact.details["ranges_calibrated"]
    session = runtime.open(artefact.path, threads=1)
    assert session.shape == (1, 3, 160, 160)
    fp32 = get(targets.get("cpu-onnxruntime-fp32")).open(detector, threads=1)
    for image in images:
        pixels = image[None].astype(np.float32) / np.float32(255)
        (got,), (wanted,) = session.run(pixels), fp32.run(pixels)
        assert got.shape == wanted.shape == (1, 151, 525)
        sure = wanted[0, 4:].max(0) > 0.05
        assert sure.any()
        boxes = np.abs(got - wanted)[0, :4, sure]
        assert np.median(boxes) < 2  # pixels
        assert np.corrcoef(got[0, 4:, sure].ravel(), wanted[0, 4:, sure].ravel())[0, 1] > 0.8
    session.close()
    fp32.close()


def test_an_uncalibrated_file_is_not_run(tmp_path: Path) -> None:
    path = _save(small_nets.two_convolutions(), tmp_path)
    out = tmp_path / "model.tflite"
    EthosU().convert(path, target=TARGET, out=out, calibration=None)
    with pytest.raises(Unsupported, match="ranges are not calibrated"):
        EthosU().open(out, threads=1)


def test_an_artefact_alone_is_costed_too(tmp_path: Path) -> None:
    path = _save(small_nets.two_convolutions(), tmp_path)
    out = tmp_path / "model.tflite"
    EthosU().convert(path, target=TARGET, out=out, calibration=None)
    beside, alone = (EthosU().estimate(out, model=m, target=TARGET) for m in (path, out))
    assert (alone.latency_ms, alone.details) == (beside.latency_ms, beside.details)
    assert alone.profile == []
