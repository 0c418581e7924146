"""A torch detector as ONE ONNX file, checked against torch."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from ultralytics import __version__ as ultralytics_version

from devices.assignment import Assignment
from engine import families, onnx_fold, swap
from engine.activations import name_of
from engine.errors import EngineError
from engine.sites import Deployed, deploy, find

__all__ = ["OPSET", "Exported", "export"]

OPSET = 17
TOLERANCE = 1e-3  # of the largest number that torch puts out


@dataclass(frozen=True)
class Exported:
    """An exported file; ``max_abs_error`` is its largest difference to torch on a random image.

    Boxes are in pixels and scores in 0..1, so the error is mostly of box coordinates.
    """

    path: Path
    sha256: str
    max_abs_error: float


def export(
    net: nn.Module,
    path: Path,
    *,
    imgsz: int,
    names: Mapping[int, str],
    assignment: Assignment | None = None,
) -> Exported:
    """Write ``net`` (with ``assignment``, if given) to ``path`` as ONNX; ``net`` is not changed.

    Input "images": float32 [1, 3, imgsz, imgsz] in 0..1, RGB. Output "output0" as ultralytics
    exports it: [1, 4 + classes, anchors] with boxes (x, y, w, h) in pixels, or [1, detections, 6]
    of a model without NMS. SiLU is written as Sigmoid and Mul, shapes are fixed, constants folded.
    The metadata is what ultralytics needs to predict with the file, and "actnas.sites" (JSON,
    output tensor of each site's activation to site path), "actnas.assignment", "actnas.family".

    The file is moved into place when it is complete and has been compared with torch.

    Raises:
        devices.errors.BadRequest, BadModel, BadSearch: model and assignment do not fit.
        EngineError: the file computes something else than torch.
    """
    if assignment is not None:
        net = swap.swapped(net, assignment)
    sites = find(net, imgsz=imgsz)
    deployed = deploy(net)
    model = onnx_fold.fold(_traced(deployed.net, imgsz))
    tensors = _site_tensors(model, deployed)
    chosen = Assignment(tuple((site.path, site.activation) for site in sites))
    _add_metadata(model, net, imgsz=imgsz, names=names, tensors=tensors, chosen=chosen)
    onnx.checker.check_model(model)
    error = _compare(model, deployed, tensors, imgsz)
    content = model.SerializeToString(deterministic=True)
    _write(path, content)
    return Exported(path, hashlib.sha256(content).hexdigest(), error)


def _traced(net: nn.Module, imgsz: int) -> onnx.ModelProto:
    """By PyTorch's TorchScript exporter: node names carry module paths, SiLU stays two nodes."""
    image = torch.zeros(1, 3, imgsz, imgsz)
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracer and deprecation warnings; the result is compared
        net(image)  # anchors are made in the first pass and are constants afterwards
        torch.onnx.export(
            net,
            (image,),
            buffer,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["output0"],
            do_constant_folding=True,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def _site_tensors(model: onnx.ModelProto, deployed: Deployed) -> dict[str, str]:
    """Output tensor of each site's activation -> site path, by the scopes in the node names."""
    last: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type != "Constant":
            last[_module_path(node.name)] = node.output[0]
    modules = dict(deployed.net.named_modules())
    found = {}
    for path, site in deployed.paths.items():
        if path in last:
            found[last[path]] = site
        elif name_of(modules[path]) != "identity":  # identity leaves no node
            raise EngineError(f"the exported graph has no node of site {site}")
    return found


def _module_path(node_name: str) -> str:
    """Of "/model.22/cv2.0/cv2.0.0/act/Mul": model.22.cv2.0.0.act (lists repeat their path)."""
    parts: list[str] = []
    for part in node_name.split("/")[1:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts[-1] = part
        else:
            parts.append(part)
    return ".".join(parts)


def _add_metadata(
    model: onnx.ModelProto,
    net: nn.Module,
    *,
    imgsz: int,
    names: Mapping[int, str],
    tensors: dict[str, str],
    chosen: Assignment,
) -> None:
    described: dict[str, Any] | None = getattr(net, "yaml", None)
    family = families.name(described)
    head = net.model[-1]  # type: ignore[index]
    metadata = {
        "description": f"{family} detector, activations {chosen.hash}",
        "author": "ActNAS Bench",
        "license": "AGPL-3.0-or-later",
        "version": ultralytics_version,
        "task": "detect",
        "head": type(head).__name__,
        "stride": int(max(net.stride)),  # type: ignore[arg-type, call-overload]
        "batch": 1,
        "imgsz": [imgsz, imgsz],
        "channels": 3,
        "names": dict(names),
        "end2end": bool(getattr(head, "end2end", False)),
        "actnas.family": family,
        "actnas.sites": json.dumps(tensors),
        "actnas.assignment": chosen.to_json(),
    }
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=str(value))
    model.producer_name, model.producer_version = "actnas", ""


def _compare(
    model: onnx.ModelProto, deployed: Deployed, tensors: dict[str, str], imgsz: int
) -> float:
    """Largest difference of the output to torch on a random image; the sites must agree too."""
    image = np.random.default_rng(0).random((1, 3, imgsz, imgsz), dtype=np.float32)
    wanted, expected = _torch_values(deployed, tensors, image)
    selected = "" in wanted
    if selected:
        wanted[_before_selection(model)] = wanted.pop("")
    got, inner = _run(model, image, list(wanted))
    errors = {
        tensor: _relative(f"tensor {tensor}", inner[tensor], values)
        for tensor, values in wanted.items()
    }
    if not selected:
        return _relative("the output", got, expected)
    # Equal scores may be selected in any order: compare the scores, and all boxes before that.
    _relative("the scores", got[..., 4], expected[..., 4])
    return errors[_before_selection(model)]


def _torch_values(
    deployed: Deployed, tensors: dict[str, str], image: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What torch computes for ``tensors`` and puts out.

    Of a model that selects its detections itself, "" is the decoded output before that.
    """
    values: dict[str, np.ndarray] = {}
    modules = dict(deployed.net.named_modules())
    path_of = {site: path for path, site in deployed.paths.items()}
    head: Any = deployed.net.model[-1]  # type: ignore[index]

    def keep(tensor: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            values[tensor] = output.numpy()

        return hook

    def selecting(decoded: torch.Tensor) -> Any:
        values[""] = decoded.numpy()
        return type(head).postprocess(head, decoded)

    handles = [
        modules[path_of[site]].register_forward_hook(keep(tensor))
        for tensor, site in tensors.items()
    ]
    head.postprocess = selecting
    try:
        with torch.no_grad():
            return values, deployed.net(torch.from_numpy(image)).numpy()
    finally:
        del head.postprocess
        for handle in handles:
            handle.remove()


def _before_selection(model: onnx.ModelProto) -> str:
    """The tensor [1, anchors, 4 + classes] from which a model without NMS selects the best."""
    found = None
    for node in model.graph.node:
        if node.op_type == "TopK" and found is not None:
            return found
        if node.op_type == "Transpose":
            found = str(node.output[0])
    raise EngineError("the exported graph of a model without NMS selects nothing (no TopK)")


def _run(
    model: onnx.ModelProto, image: np.ndarray, tensors: list[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    existing = {value.name for value in probe.graph.output}
    extra = [tensor for tensor in tensors if tensor not in existing]
    for tensor in extra:
        probe.graph.output.add(name=tensor)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    results = session.run(None, {"images": image})
    return results[0], dict(zip(extra, results[1:], strict=True))


def _relative(what: str, got: np.ndarray, expected: np.ndarray) -> float:
    if got.shape != expected.shape:
        raise EngineError(f"{what} of the exported file is {got.shape}, in torch {expected.shape}")
    error = float(np.abs(got - expected).max())
    scale = float(np.abs(expected).max())
    if not error <= TOLERANCE * max(scale, 1.0):
        raise EngineError(
            f"{what} of the exported file differs from torch by {error:.3g} "
            f"(largest value {scale:.3g}); at most {TOLERANCE} of it is accepted"
        )
    return error


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
