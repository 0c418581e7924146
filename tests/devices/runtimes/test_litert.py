from __future__ import annotations

from pathlib import Path

import pytest
from ai_edge_litert.interpreter import Interpreter

from devices import graph, targets
from devices.convert.tflite.arena import arena_bytes
from devices.convert.tflite.metadata import precision
from devices.runtimes import get
from devices.runtimes.base import Artefact
from tests.devices import graphs

TARGETS = [targets.get("cpu-litert-fp32"), targets.get("cpu-litert-int8")]
every = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.id)


def _artefact(target: targets.Target, folder: Path, activation: str = "silu") -> Artefact:
    base = graphs.detector(sites=True)
    model = graph.swap(base, dict.fromkeys((f"{s}.act" for s in graphs.SITES), activation))
    path = graphs.save(model, folder / f"{activation}.onnx")
    out = folder / f"{activation}.tflite"
    return get(target).convert(path, target=target, out=out, calibration=graphs.images(8))


@every
def test_the_delegate_is_on(target: targets.Target, tmp_path: Path) -> None:
    interpreter = Interpreter(model_path=str(_artefact(target, tmp_path).path), num_threads=1)
    interpreter.allocate_tensors()
    kinds = [operator["op_name"] for operator in interpreter._get_ops_details()]
    assert "DELEGATE" in kinds  # before delegation the list has none
    assert precision(_artefact(target, tmp_path).path.read_bytes()) == target.precision


@every
def test_the_decode_costs_one_transpose(target: targets.Target, tmp_path: Path) -> None:
    interpreter = Interpreter(model_path=str(_artefact(target, tmp_path).path), num_threads=1)
    kinds = [operator["op_name"] for operator in interpreter._get_ops_details()]
    assert kinds.count("TRANSPOSE") == 1
    assert kinds.count("DEQUANTIZE") == (2 if target.precision == "int8" else 0)


def test_int8_needs_less_memory_than_fp32(tmp_path: Path) -> None:
    fp32, int8 = (arena_bytes(_artefact(target, tmp_path).path.read_bytes()) for target in TARGETS)
    assert 0 < int8 < fp32


@every
def test_an_artefact_alone_has_no_sites(target: targets.Target, tmp_path: Path) -> None:
    path = _artefact(target, tmp_path).path
    assert get(target).profile(path, model=path, runs=1, threads=1) == []
