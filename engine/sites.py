"""The sites of a detection model: where an activation runs in the graph that is deployed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from ultralytics.nn.modules import C2f, Detect

from devices import activations as catalog
from devices.assignment import Assignment
from engine import activations
from engine.errors import BadModel, one_line

__all__ = ["Deployed", "Site", "deploy", "find", "original", "separate", "twin"]

_ONE_TO_ONE = "one2one_"


@dataclass(frozen=True)
class Site:
    """One place where an activation runs in the deployed graph.

    ``path`` is the module path in the model as loaded, ``shape`` the (channels, height, width) of
    what the activation puts out, ``conv`` the path of the convolution that feeds it, if it sits in
    one block with it.
    """

    path: str
    activation: str
    shape: tuple[int, int, int]
    conv: str | None


@dataclass(frozen=True)
class Deployed:
    """A fused copy of a model in export form; ``paths`` maps its module paths to site paths."""

    net: nn.Module
    paths: dict[str, str]


def twin(path: str) -> str | None:
    """The path of the training-only twin of the site ``path``, or None.

    Models without NMS (YOLOv10, YOLO26) train two heads and deploy the one-to-one head.
    """
    return path.replace(_ONE_TO_ONE, "", 1) if _ONE_TO_ONE in path else None


def places(path: str) -> tuple[str, ...]:
    """Where the activation of the site ``path`` runs: there, and in its twin if it has one."""
    other = twin(path)
    return (path,) if other is None else (path, other)


def put(net: nn.Module, path: str, module: nn.Module) -> None:
    """Let ``net`` hold ``module`` at ``path``, in place."""
    parent, _, name = path.rpartition(".")
    setattr(net.get_submodule(parent), name, module)


def separate(net: nn.Module) -> None:
    """Give every activation of ``net`` a module of its own, in place.

    In a checkpoint all SiLU sites share ONE object, which has only the first site's path.
    """
    seen: set[int] = set()
    for parent, name, child in list(_activations(net)):
        if id(child) in seen:
            child = copy.deepcopy(child)
            setattr(parent, name, child)
        seen.add(id(child))


def _activations(net: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """(parent, name, activation) of every activation; what it is made of inside is none."""
    for name, child in net._modules.items():
        if child is None:
            continue
        if activations.is_activation(child):
            yield net, name, child
        else:
            yield from _activations(child)


def deploy(net: nn.Module) -> Deployed:
    """A copy of ``net`` as it is deployed: activations separated, fused, export head."""
    deployed = copy.deepcopy(net).eval()
    separate(deployed)
    own = {id(m) for _, _, m in _activations(deployed)}
    before = {id(m): path for path, m in deployed.named_modules() if id(m) in own}
    deployed.fuse(verbose=False)  # type: ignore[operator]  # moves a one-to-one head to its final place
    for module in deployed.modules():
        loose: Any = module  # torch's types know nothing of what ultralytics' modules hold
        if isinstance(module, Detect):
            loose.export, loose.format, loose.dynamic, loose.shape = True, "onnx", False, None
        elif isinstance(module, C2f):
            loose.forward = loose.forward_split  # a Split node, not slices
    after = {path: before[id(m)] for path, m in deployed.named_modules() if id(m) in before}
    return Deployed(deployed, after)


def find(net: nn.Module, *, imgsz: int) -> list[Site]:
    """The sites of ``net`` in the order in which they run on an ``imgsz`` x ``imgsz`` image.

    Identity is no site, nor is a branch that fusing removes. The model itself is not changed.

    Raises:
        BadModel: the model does not run at ``imgsz``, an activation is not in the catalog, or one
            module runs twice.
    """
    deployed = deploy(net)
    modules = dict(deployed.net.named_modules())
    shapes: dict[str, tuple[int, ...]] = {}
    with _recorded(deployed, shapes), torch.no_grad():
        _run(deployed.net, imgsz)
    found = []
    for path, shape in shapes.items():
        activation = activations.name_of(modules[path])
        site = deployed.paths[path]
        if activation is None:
            raise BadModel(
                f"site {site} runs {modules[path]}, which is not in the catalog; "
                f"known: {', '.join(catalog.NAMES)}"
            )
        if len(shape) != 4:
            raise BadModel(f"site {site} puts out shape {shape}; expected [1, channels, h, w]")
        found.append(
            Site(site, activation, (shape[1], shape[2], shape[3]), _conv(modules, path, site))
        )
    return found


def original(net: nn.Module, imgsz: int) -> Assignment:
    """The assignment that ``net`` holds now.

    Raises:
        BadModel: as :func:`find`.
    """
    return Assignment(tuple((site.path, site.activation) for site in find(net, imgsz=imgsz)))


def _run(net: nn.Module, imgsz: int) -> None:
    try:
        net(torch.zeros(1, 3, imgsz, imgsz))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise BadModel(
            f"the model does not run on a {imgsz} x {imgsz} image: {one_line(error)}"
        ) from error


@contextmanager
def _recorded(deployed: Deployed, shapes: dict[str, tuple[int, ...]]) -> Iterator[None]:
    """While open, note the output shape of every activation in the order of the calls."""

    def hook(path: str) -> Any:
        def record(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            if path in shapes:
                raise BadModel(f"activation {deployed.paths[path]} runs twice in one pass")
            shapes[path] = tuple(output.shape)

        return record

    modules = dict(deployed.net.named_modules())
    handles = [modules[path].register_forward_hook(hook(path)) for path in deployed.paths]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _conv(modules: dict[str, nn.Module], path: str, site: str) -> str | None:
    block, _, _ = path.rpartition(".")
    conv = getattr(modules[block], "conv", None)
    return f"{site.rpartition('.')[0]}.conv" if isinstance(conv, nn.Conv2d) else None
