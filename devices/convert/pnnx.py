"""ONNX to ncnn by pnnx, ncnn's own converter: a program that comes in a wheel."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from devices.errors import MeasurementFailed, Unsupported
from devices.shapes import static_shapes

INPUT = "in0"  # what pnnx calls the first input
_SECONDS = 300


def convert(model: Path, folder: Path, *, shape: tuple[int, ...]) -> tuple[Path, Path]:
    """ncnn's layers (text) and weights (fp32) of the ONNX file ``model``, written into ``folder``.

    Raises:
        Unsupported: pnnx is not installed.
        MeasurementFailed: it failed.
    """
    spec = find_spec("pnnx")  # importing it would bring in torch, which its program does not need
    if spec is None or not spec.submodule_search_locations:
        raise Unsupported("converting to ncnn needs the Python package 'pnnx'; it is not installed")
    program = Path(spec.submodule_search_locations[0]) / "pnnx"
    source = folder / "model.onnx"  # it writes beside what it reads
    onnx.save(_with_sizes(onnx.load(str(model))), str(source))
    sizes = ",".join(str(size) for size in shape)
    try:
        done = subprocess.run(
            [str(program), source.name, f"inputshape=[{sizes}]", "fp16=0"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"pnnx took more than {_SECONDS} s for {model.name}") from None
    param, weights = folder / "model.ncnn.param", folder / "model.ncnn.bin"
    if done.returncode != 0 or not (param.is_file() and weights.is_file()):
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise MeasurementFailed(f"pnnx cannot convert {model.name}: {lines[-1]}")
    return param, weights


def _with_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with the sizes of every Split written out: of equal parts pnnx makes none at all,
    and ncnn crashes on them.
    """
    shapes = static_shapes(model)
    for node in model.graph.node:
        if node.op_type == "Split" and len(node.input) == 1:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            sizes = np.array([shapes[name][axis] for name in node.output], np.int64)
            name = f"{node.output[0]}.sizes"
            model.graph.initializer.append(numpy_helper.from_array(sizes, name))
            node.input.append(name)
    return model


def layer_kinds(param: Path) -> list[str]:
    """The kinds of layers that pnnx wrote, known to ncnn or not."""
    lines = param.read_text().splitlines()[2:]
    return sorted({line.split()[0] for line in lines if line.strip()})
