"""The activation sites of an ONNX graph, and the graph with other activations at those sites."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx

from devices import activations
from devices.errors import BadRequest
from devices.graph_basics import ImageInput, image_input, label, opset
from devices.graph_emit import emit
from devices.graph_index import Index
from devices.graph_match import Match, match
from devices.shapes import static_shapes
from devices.untrusted import check_untrusted

__all__ = [
    "ImageInput",
    "Site",
    "check_untrusted",
    "find_sites",
    "image_input",
    "label",
    "module_paths",
    "opset",
    "swap",
]
SITES_KEY = "actnas.sites"


@dataclass(frozen=True)
class Site:
    """One place where a catalog activation runs.

    ``input`` and ``output`` are tensor names; a swap keeps both. ``nodes`` names the nodes that
    compute the activation, in graph order (a node without a name goes by its first output), with
    the Constant nodes that only they read. ``shape`` is that of the output, batch first, or None
    where the graph does not say.
    """

    key: str
    activation: str
    input: str
    output: str
    nodes: tuple[str, ...]
    shape: tuple[int, ...] | None


def module_paths(model: onnx.ModelProto) -> dict[str, str]:
    """{output tensor: module path} of the metadata entry ``actnas.sites``; {} without one.

    Raises:
        BadRequest: the entry is not a JSON object of strings, or gives a path twice.
    """
    for entry in model.metadata_props:
        if entry.key == SITES_KEY:
            try:
                paths = json.loads(entry.value)
            except (ValueError, RecursionError) as error:
                raise BadRequest(f"ONNX metadata {SITES_KEY!r} is not JSON: {error}") from None
            if not isinstance(paths, dict) or not all(isinstance(p, str) for p in paths.values()):
                raise BadRequest(f"ONNX metadata {SITES_KEY!r} must map tensors to module paths")
            if len(set(paths.values())) != len(paths):
                raise BadRequest(f"ONNX metadata {SITES_KEY!r} names a module path twice")
            return paths
    return {}


def find_sites(model: onnx.ModelProto) -> list[Site]:
    """The sites of ``model`` in graph order.

    A site is keyed by its module path where the metadata entry ``actnas.sites`` gives one, else by
    its output tensor. A place whose formula is not exactly a catalog entry's (another slope, the
    tanh form of GELU, the plain Sigmoid of the head's class scores) is no site.

    Raises:
        BadRequest: unusable opset or metadata.
    """
    opset(model)
    paths = module_paths(model)
    index = Index(model.graph)
    matches = _matches(index, set(paths))
    shapes = static_shapes(model) if matches else {}
    return [
        Site(
            key=paths.get(found.output, found.output),
            activation=found.activation,
            input=found.input,
            output=found.output,
            nodes=tuple(label(index.nodes[i]) for i in found.nodes),
            shape=shapes.get(found.output),
        )
        for found in matches
    ]


def swap(model: onnx.ModelProto, mapping: Mapping[str, str]) -> onnx.ModelProto:
    """A copy of ``model`` that runs ``mapping[site key]`` at the sites named.

    Only the activation nodes of sites whose activation really changes differ. Every other node,
    every initializer, input, output and every other tensor name compares equal, the site's own
    input and output tensors included; node names stay unique.

    Raises:
        BadRequest: a key is no site of this graph, or an activation is not in the catalog.
    """
    version = opset(model)
    paths = module_paths(model)
    index = Index(model.graph)
    by_key = {paths.get(m.output, m.output): m for m in _matches(index, set(paths))}
    changes: dict[int, tuple[Match, str]] = {}
    for key, activation in mapping.items():
        activations.get(activation)
        if key not in by_key:
            raise BadRequest(f"no site {key!r} in this graph; it has {_some(by_key)}")
        found = by_key[key]
        if found.activation != activation:
            changes[found.last] = (found, activation)

    removed = {i for found, _ in changes.values() for i in found.nodes}
    nodes: list[onnx.NodeProto] = []
    for i, node in enumerate(index.nodes):
        if i in changes:
            found, activation = changes[i]
            nodes.extend(
                emit(activation, input=found.input, output=found.output, opset=version, index=index)
            )
        elif i not in removed:
            nodes.append(node)

    gone = {name for i in removed for name in index.nodes[i].output}
    gone -= {found.output for found, _ in changes.values()}
    known = [info for info in model.graph.value_info if info.name not in gone]
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    del copy.graph.value_info[:]
    copy.graph.value_info.extend(known)
    return copy


def _matches(index: Index, known: set[str]) -> list[Match]:
    """Non-overlapping matches in graph order; the longest form of a place wins."""
    found: list[Match] = []
    taken: set[int] = set()
    # A form is matched at its last node, so a longer form is met after its parts: go backwards.
    for i in reversed(range(len(index.nodes))):
        if i in taken:
            continue
        hit = match(index, i, known=known)
        if hit is not None:
            found.append(hit)
            taken.update(hit.nodes)
    return sorted(found, key=lambda hit: hit.last)


def _some(keys: Iterable[str]) -> str:
    names = list(keys)
    if not names:
        return "no site at all"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
