"""The reference model: what a device measures to learn how quiet it is; the same everywhere."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from devices.files import atomic
from devices.protocol import Arm, File, MeasureJob, Settings
from devices.runtimes.base import sha256
from devices.targets import Target

SIZE = 160  # pixels a side
BASELINE, AGAIN = "reference", "reference again"
# (channels out, stride) of each block: a convolution with SiLU. A few ms on one thread.
_BLOCKS = ((16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1), (128, 2), (128, 1))
_SETTINGS = Settings(half_width=0.003, min_blocks=6, max_blocks=20, rounds=20, max_seconds=8)


def model() -> onnx.ModelProto:
    """Eight convolutions with SiLU, as a detector's backbone has them; weights by a fixed seed."""
    rng = np.random.default_rng(20260101)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    places: dict[str, str] = {}
    x, c_in = "images", 3
    for number, (c_out, stride) in enumerate(_BLOCKS):
        path = f"block{number}"
        kernel = rng.normal(0, 1.5 / math.sqrt(9 * c_in), (c_out, c_in, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"{path}.weight"))
        weights.append(numpy_helper.from_array(np.zeros(c_out, np.float32), f"{path}.bias"))
        conv, gate, mul = f"/{path}/Conv", f"/{path}/act/Sigmoid", f"/{path}/act/Mul"
        out = "output0" if number == len(_BLOCKS) - 1 else f"{mul}_output_0"
        nodes += [
            helper.make_node(
                "Conv",
                [x, f"{path}.weight", f"{path}.bias"],
                [f"{conv}_output_0"],
                name=conv,
                kernel_shape=[3, 3],
                strides=[stride] * 2,
                pads=[1] * 4,
            ),
            helper.make_node("Sigmoid", [f"{conv}_output_0"], [f"{gate}_output_0"], name=gate),
            helper.make_node("Mul", [f"{conv}_output_0", f"{gate}_output_0"], [out], name=mul),
        ]
        x, c_in = out, c_out
        places[x] = f"{path}.act"
    side = SIZE // math.prod(stride for _, stride in _BLOCKS)
    graph = helper.make_graph(
        nodes,
        "reference",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, c_in, side, side])],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {"actnas.sites": json.dumps(places)})
    return made


def job(target: Target, *, folder: Path, id: str, seed: int = 0) -> MeasureJob:
    """The reference model against itself on ``target``; its files are written into ``folder``."""
    path = folder / "reference.onnx"
    with atomic(path) as part:
        onnx.save(model(), part)
    file = File(path=str(path.resolve()), sha256=sha256(path))
    calibration = None
    if target.needs_calibration:
        images = folder / "reference-images.npz"
        rng = np.random.default_rng(0)
        np.savez(images, images=rng.integers(0, 256, (8, 3, SIZE, SIZE), dtype=np.uint8))
        calibration = File(path=str(images.resolve()), sha256=sha256(images))
    return MeasureJob(
        id=id,
        target=target.id,
        arms=[Arm(name=BASELINE, file=file), Arm(name=AGAIN, file=file)],
        baseline=BASELINE,
        calibration=calibration,
        settings=_SETTINGS.model_copy(update={"seed": seed}),
        memory=False,
    )
