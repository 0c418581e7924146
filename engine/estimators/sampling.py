"""Which images an estimator looks at, and the loss of labelled ones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine.data import Split
from engine.errors import BadSearch
from engine.training import loop

__all__ = ["batch_statistics", "draw", "labelled", "loss", "pixels"]


def draw(images: NDArray[np.uint8], count: int, *, seed: int) -> NDArray[np.uint8]:
    """``count`` of ``images`` (or all, if there are fewer) without repetition, fixed by ``seed``.

    Raises:
        BadSearch: fewer than two images are there or asked for.
    """
    return images[_positions(len(images), count, seed)]


def labelled(
    split: Split, count: int, *, seed: int, where: torch.device
) -> dict[str, torch.Tensor]:
    """``count`` images of ``split`` with their boxes as one batch (training.loop.stack).

    Raises:
        BadSearch: fewer than two images are there or asked for.
    """
    return loop.stack(split, _positions(len(split), count, seed).tolist(), where=where)


def _positions(total: int, count: int, seed: int) -> NDArray[np.int64]:
    if min(total, count) < 2:
        raise BadSearch(f"an estimator needs at least 2 images, got {min(total, count)}")
    if total <= count:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, count, replace=False))


def pixels(net: nn.Module, images: NDArray[np.uint8]) -> torch.Tensor:
    """``images`` as ``net`` takes them: float32 in 0..1 on its device."""
    return torch.from_numpy(images).to(next(net.parameters()).device).float() / 255


def loss(net: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The detection loss of ``net`` on ``batch``, as in training: one number, per image.

    Ultralytics' own loss with its default gains: box + class + distribution of the box.
    """
    criterion = loop.criterion_of(net)
    total: torch.Tensor = criterion(net(batch["img"]), batch)[0].sum()
    return total / len(batch["img"])


def batch_statistics(net: nn.Module) -> None:
    """Let every BatchNorm of ``net`` use the statistics of the batch that passes, in place.

    A swap changes the statistics; those that are stored belong to other activations.
    """
    net.eval()
    for layer in net.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.train()
