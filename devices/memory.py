"""What a target calls memory: the planned activation arena of a CPU, the peak of a GPU."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from devices import graph, targets
from devices.decode import decode_nodes
from devices.errors import MeasurementFailed
from devices.graph_index import Index
from devices.protocol import Memory
from devices.shapes import static_shapes
from devices.targets import Target

MIB = 1024 * 1024
_SECONDS = 120
_GPU_SECONDS = 600  # TensorRT builds its engine first
_VIEWS = frozenset(["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"])
# The optimiser takes nearly all of them into the int8 kernels next to them.
_QDQ = frozenset({"QuantizeLinear", "DequantizeLinear"})
_IN_PLACE = frozenset(
    [
        "Relu",
        "Clip",
        "LeakyRelu",
        "Elu",
        "Selu",
        "Tanh",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Mish",
        "Gelu",
        "Swish",
        "Softplus",
        "Erf",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "BatchNormalization",
    ]
)


@dataclass
class Buffer:
    """Memory that lives from one step of a graph to another, both included."""

    bytes: int
    first: int
    last: int
    offset: int = -1


def cpu(artefact: Path, *, target: Target, threads: int, planned: int | None = None) -> Memory:
    """The planned arena of an artefact in MiB, with the peak of a real process beside it.

    ``planned`` is its size in bytes; without it the artefact is an ONNX file, which is planned.

    Raises:
        MeasurementFailed: the process that loads the model failed, or a shape is not static.
    """
    if planned is None:
        planned = arena_bytes(onnx.load(artefact), int8=target.precision == "int8")
    return Memory(
        value=planned / MIB,
        unit=target.memory_unit,
        meaning=target.memory,
        rss_mib=peak_rss_mib(artefact, target=target, threads=threads),
    )


def gpu(artefact: Path, *, target: Target, threads: int) -> Memory:
    """What the GPU held at most for a model that was loaded and run in a process of its own.

    Raises:
        MeasurementFailed: the process failed, or its session knows nothing of a GPU.
    """
    figures = _own_process(artefact, target=target, threads=threads)
    if len(figures) < 3:
        raise MeasurementFailed(f"{artefact.name}: target {target.id} told no GPU memory")
    return Memory(
        value=figures[2] / MIB,
        unit=target.memory_unit,
        meaning=target.memory,
        rss_mib=(figures[1] - figures[0]) / 1024,
    )


def arena_bytes(model: onnx.ModelProto, *, int8: bool) -> int:
    """Bytes of the smallest arena that our planner finds for the tensors of one inference.

    Tensors live from the node that writes them to the last that reads them, in the graph's own
    order; the planner takes them from the largest to the smallest and gives each the lowest offset
    that is free throughout its life. Views share their input's buffer, and so does an elementwise
    node that is the last reader of an input of the same size. In fp32 the nodes of one activation
    site count as one such node, since both CPU runtimes run them as one kernel (or within the
    convolution); in int8 they run, and count, one by one, with one byte an element outside the
    head's decode, which stays in float; quantise and dequantise nodes count as nothing. The image
    belongs to the caller and weights are no activations: neither counts.

    Raises:
        MeasurementFailed: the shape of a tensor does not follow from the graph's inputs.
    """
    return place(_buffers(model, int8=int8))


def alive_bytes(model: onnx.ModelProto, *, int8: bool) -> list[tuple[str, int]]:
    """Bytes that are alive together while each node runs, by node label in graph order.

    The buffers are those of :func:`arena_bytes`, which no arena can be smaller than the largest of
    these figures.

    Raises:
        MeasurementFailed: the shape of a tensor does not follow from the graph's inputs.
    """
    buffers = _buffers(model, int8=int8)
    return [
        (graph.label(node), sum(b.bytes for b in buffers if b.first <= i <= b.last))
        for i, node in enumerate(model.graph.node)
        if node.op_type != "Constant"
    ]


def _buffers(model: onnx.ModelProto, *, int8: bool) -> list[Buffer]:
    """The buffers of one inference, with the first and last node that each is needed at."""
    index = Index(model.graph)
    shapes = static_shapes(model)
    decode = decode_nodes(model.graph)
    inner = set() if int8 else _site_interiors(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    owner: dict[str, Buffer] = {}
    buffers: list[Buffer] = []
    last_read = {name: max(readers) for name, readers in index.readers.items()}
    last_read |= {name: len(index.nodes) for name in index.outputs}

    for i, node in enumerate(index.nodes):
        if node.op_type == "Constant" or all(n in constants for n in node.input if n):
            constants.update(node.output)
            continue
        for name in node.output:
            if not name or name in inner:
                continue
            if node.op_type in _VIEWS | _QDQ and node.input[0] not in owner:
                continue  # a view of the image
            end = last_read.get(name, i)
            if name not in shapes:
                raise MeasurementFailed(
                    f"the shape of tensor {name!r} is not static; export with fixed shapes"
                )
            width = 1 if int8 and graph.label(node) not in decode else 4
            size = max(math.prod(shapes[name]), 1) * width
            shared = _shared(node, index, inner, owner, size=size, now=i)
            if shared is not None:
                shared.last = max(shared.last, end)
                owner[name] = shared
            else:
                owner[name] = Buffer(size, i, end)
                buffers.append(owner[name])
    return buffers


def _site_interiors(model: onnx.ModelProto) -> set[str]:
    """Tensors inside a site: written by its nodes, but not its output."""
    by_label = {graph.label(node): node for node in model.graph.node}
    found: set[str] = set()
    for site in graph.find_sites(model):
        found |= {out for label in site.nodes for out in by_label[label].output}
        found.discard(site.output)
    return found


def _shared(
    node: onnx.NodeProto,
    index: Index,
    inner: set[str],
    owner: dict[str, Buffer],
    *,
    size: int,
    now: int,
) -> Buffer | None:
    """The buffer of an input that the node may write its result into."""
    if node.op_type in _QDQ:
        return owner[node.input[0]]
    if node.op_type in _VIEWS:
        source = owner.get(node.input[0])
        return source if source is not None and source.bytes == size else None
    if node.op_type not in _IN_PLACE:
        return None
    waiting = list(node.input)
    while waiting:
        name = waiting.pop(0)
        if name in inner:  # a fused site reads what its first node reads
            waiting.extend(index.nodes[index.writer[name]].input)
        elif name in owner and owner[name].bytes == size and owner[name].last <= now:
            return owner[name]
    return None


def place(buffers: list[Buffer]) -> int:
    """Bytes of an arena for ``buffers``: the largest first, each at the lowest free offset."""
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda b: (-b.bytes, b.first)):
        offset = 0
        for other in sorted(placed, key=lambda b: b.offset):
            if other.last < buffer.first or buffer.last < other.first:
                continue
            if offset + buffer.bytes <= other.offset:
                break
            offset = max(offset, other.offset + other.bytes)
        buffer.offset = offset
        placed.append(buffer)
    return max((b.offset + b.bytes for b in placed), default=0)


def peak_rss_mib(artefact: Path, *, target: Target, threads: int) -> float:
    """VmHWM in MiB of a fresh process that loads and runs ``artefact``, less the bare runtime's.

    Raises:
        MeasurementFailed: the process did not finish in time, or with an error.
    """
    empty, full, *_ = _own_process(artefact, target=target, threads=threads)
    return (full - empty) / 1024


def _own_process(artefact: Path, *, target: Target, threads: int) -> list[int]:
    """VmHWM in KiB of a fresh process, before and after it loads and runs ``artefact``; where that
    has a session on a GPU, the bytes that the GPU held for it at most.
    """
    limit = _GPU_SECONDS if target.hardware == "gpu" else _SECONDS
    command = [sys.executable, "-m", "devices.memory", str(artefact), target.id, str(threads)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, cwd=Path(__file__).parents[1]
        )
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"{artefact.name}: no memory figure within {limit} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise MeasurementFailed(f"{artefact.name}: no memory figure: {lines[-1]}")
    return [int(word) for word in done.stdout.split()]


def _high_water_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise MeasurementFailed("/proc/self/status has no VmHWM line")


def _main(artefact: str, target_id: str, threads: str) -> None:
    from devices import runtimes
    from devices.runtimes.base import OnGpu

    runtime = runtimes.get(targets.get(target_id))
    empty = _high_water_kib()
    session = runtime.open(Path(artefact), threads=int(threads))
    for _ in range(2):
        session.run(np.full(session.shape, 0.5, np.float32))
    figures = [empty, _high_water_kib()]
    if isinstance(session, OnGpu):
        figures.append(session.device_bytes())
    sys.stdout.write(" ".join(str(figure) for figure in figures))


if __name__ == "__main__":
    _main(*sys.argv[1:])
