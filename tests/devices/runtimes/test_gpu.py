"""What of the GPU targets needs no GPU: their files, their refusals, reading TensorRT's layers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from devices import activations, cuda, graph, runtimes, targets
from devices.attribution import owned_nodes
from devices.convert.parts import site_models
from devices.decode import decode_nodes
from devices.errors import MeasurementFailed, Unsupported
from devices.graph_basics import label
from devices.run import run
from devices.runtimes.tensorrt import layers_of, owners_of
from devices.runtimes.torch import Torch
from devices.targets import Target
from tests.devices import graphs, jobs

GPU = [target for target in targets.TARGETS if jobs.is_gpu(target)]
every = pytest.mark.parametrize("target", GPU, ids=lambda target: target.id)
TOLERANCE = {"fp32": 2e-4, "fp16": 0.03}  # boxes reach 24, scores 1


def _has_gpu() -> bool:
    try:
        cuda.require()
    except Unsupported:
        return False
    return True


without_gpu = pytest.mark.skipif(_has_gpu(), reason="this machine has a GPU")


def _model(folder: Path, activation: str = "silu") -> Path:
    base = graphs.detector(sites=True)
    model = graph.swap(base, dict.fromkeys((f"{s}.act" for s in graphs.SITES), activation))
    return graphs.save(model, folder / f"{activation}.onnx")


def _file(target: Target, model: Path) -> Path:
    runtime = runtimes.get(target)
    out = model.parent / f"{model.stem}-{target.id}{runtime.suffix}"
    return runtime.convert(model, target=target, out=out, calibration=None).path


def _on_the_cpu(path: Path, image: NDArray[np.float32]) -> NDArray[Any]:
    """What the file computes, by the same library without its GPU."""
    if path.suffix == ".pt2":
        return Torch().open(path, threads=1).run(image)[0]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": image})[0])


@pytest.mark.parametrize("activation", activations.NAMES)
@every
def test_its_file_computes_what_the_fp32_file_does(
    target: Target, activation: str, tmp_path: Path
) -> None:
    model = _model(tmp_path, activation)
    path = _file(target, model)
    for image in graphs.images(2, seed=9).astype(np.float32) / np.float32(255):
        wanted, found = _on_the_cpu(model, image[None]), _on_the_cpu(path, image[None])
        assert found.dtype == np.float32
        assert np.abs(found - wanted).max() < TOLERANCE[target.precision]


@pytest.mark.parametrize("target", [t for t in GPU if t.runtime != "torch_cuda"])
def test_an_fp16_graph_keeps_its_decode_and_its_ends_in_float32(
    target: Target, tmp_path: Path
) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(_file(target, _model(tmp_path))))
    types = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    decode = decode_nodes(model.graph)
    convolutions = {n.output[0] for n in model.graph.node if n.op_type == "Conv"}
    inner = {n.output[0] for n in model.graph.node if label(n) not in decode} & convolutions
    assert len(inner) == 6
    assert {types[name] for name in inner} == {onnx.TensorProto.FLOAT16}
    # Nothing in the decode passes through float16 on its way.
    written = {out for node in model.graph.node if label(node) in decode for out in node.output}
    assert {types[name] for name in written & set(types)} == {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.INT64,
    }
    assert sum(node.op_type == "Cast" for node in model.graph.node) == 3  # image, two branches
    onnx.checker.check_model(model)
    assert len(graph.find_sites(model)) == len(graphs.SITES)


def test_an_fp16_archive_holds_float16_weights(tmp_path: Path) -> None:
    path = _file(targets.get("gpu-torch-cuda-fp16"), _model(tmp_path))
    state = torch.export.load(str(path)).state_dict
    kinds = {name: tensor.dtype for name, tensor in state.items()}
    assert set(kinds.values()) == {torch.float16, torch.float32}
    single = [name for name, kind in kinds.items() if kind == torch.float32]
    assert sum(state[name].numel() for name in single) <= graphs.BINS + 1  # of the decode


def test_the_fp32_file_is_that_of_the_cpu(tmp_path: Path) -> None:
    model = _model(tmp_path)
    pair = [_file(targets.get(name), model) for name in ("gpu-torch-cuda-fp32", "cpu-torch-fp32")]
    assert pair[0].read_bytes() == pair[1].read_bytes()


@pytest.mark.parametrize("activation", ["silu", "relu", "gelu"])
def test_the_parts_of_a_file_compute_what_the_whole_does(activation: str, tmp_path: Path) -> None:
    """Each site of the float16 file as a model of its own, fed with what reaches it there."""
    model = _model(tmp_path, activation)
    path = _file(targets.get("gpu-onnxruntime-cuda-fp16"), model)
    parts = site_models(path, model)
    assert [key for key, _ in parts] == list(jobs.SITES)
    whole = onnx.load(path)
    ends = [value for _, part in parts for value in (*part.graph.input, *part.graph.output)]
    known = {value.name for value in whole.graph.input}
    whole.graph.output.extend(v for v in {v.name: v for v in ends}.values() if v.name not in known)
    session = onnxruntime.InferenceSession(
        whole.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    image = graphs.images(1).astype(np.float32) / np.float32(255)
    names = [value.name for value in session.get_outputs()]
    tensors = dict(zip(names, session.run(names, {"images": image}), strict=True))
    tensors["images"] = image
    for key, part in parts:
        alone = onnxruntime.InferenceSession(
            part.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (given,), (out,) = alone.get_inputs(), alone.get_outputs()
        (found,) = alone.run(None, {given.name: tensors[given.name]})
        np.testing.assert_allclose(found, tensors[out.name], atol=1e-2, err_msg=key)
        kinds = [node.op_type for node in part.graph.node]
        assert kinds.count("Conv") == 1


@without_gpu
@every
def test_without_a_gpu_it_is_refused_before_anything_is_made(
    target: Target, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=r"CUDA|tensorrt") as caught:
        run(jobs.job(tmp_path, target.id, "relu", keep_files=str(tmp_path / "kept")))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "kept").exists()
    with pytest.raises(Unsupported):
        runtimes.get(target).open(tmp_path / "any", threads=1)


@without_gpu
def test_the_refusal_says_what_cuda_said() -> None:
    with pytest.raises(Unsupported, match=r"no CUDA GPU here: .*; NVIDIA's driver and a GPU"):
        cuda.require()
    with pytest.raises(MeasurementFailed, match="CUDA: cudaMalloc failed: "):
        cuda.Buffer((1,), np.float32)


def test_every_function_of_cuda_that_is_called_is_there() -> None:
    """The package is here although no GPU is: a name that it lacks would show only on one."""
    from cuda.bindings import runtime

    called = set(re.findall(r"[\"._](cuda[A-Z]\w+)", Path(cuda.__file__).read_text()))
    assert {"cudaGraphLaunch", "cudaEventElapsedTime", "cudaMemGetInfo"} <= called
    places = (runtime, runtime.cudaMemcpyKind, runtime.cudaError_t, runtime.cudaStreamCaptureMode)
    for name in called:
        assert any(hasattr(place, name) for place in places), name


# As an engine inspector writes it: one layer without the origins of its parts, which only detailed
# profiling has, and layers that TensorRT made itself.
INFORMATION = {
    "Layers": [
        "Reformatting CopyNode for Input Tensor 0 to /stem/conv/Conv",
        {
            "Name": "/stem/conv/Conv + PWN(PWN(/stem/act/Sigmoid), PWN(/stem/act/Mul))",
            "LayerType": "CaskConvolution",
        },
        {
            "Name": "__myl_ConvSigmMul_myl0_3",
            "Metadata": "[ONNX Layer: /body/conv/Conv]\x1e[ONNX Layer: /body/act/Sigmoid]\x1e"
            "[ONNX Layer: /body/act/Mul]",
        },
        {"Name": "/box/conv/Conv", "Metadata": "[ONNX Layer: /box/conv/Conv]"},
        {"Name": "PWN(/box/act/Sigmoid, /box/act/Mul)", "Metadata": ""},
        {"Name": "/score/conv/Conv + /score/act/Mul", "Metadata": ""},
        {"Name": "/decode/Softmax", "Metadata": "[ONNX Layer: /decode/Softmax]"},
    ]
}


def test_tensorrts_layers_find_their_sites() -> None:
    layers = layers_of(json.dumps(INFORMATION))
    owned = owned_nodes(graphs.detector(sites=True))
    owners = owners_of(layers, owned)
    sites = ["stem.act", "stem.act", "body.act", "box.act", "box.act", "score.act"]
    assert list(owners.values()) == sites
    assert "/decode/Softmax" not in owners


def test_a_site_without_a_layer_is_named() -> None:
    layers = layers_of(json.dumps({"Layers": INFORMATION["Layers"][:4]}))
    with pytest.raises(MeasurementFailed, match=r"no layer for site 'score\.act' alone"):
        owners_of(layers, owned_nodes(graphs.detector(sites=True)))
