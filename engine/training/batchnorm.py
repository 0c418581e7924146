"""BatchNorm statistics of the mix that a model runs now."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine.errors import BadModel, BadSearch

Net = TypeVar("Net", bound=nn.Module)


def recompute(net: Net, images: NDArray[np.uint8], batch: int = 16) -> Net:
    """Replace every BatchNorm's mean and variance by those of ``images``, in place.

    After a swap the old statistics belong to other activations; this alone brings most of the mAP
    back (64 images are enough). Nothing is learned: the result depends on the weights and the
    images only, not on the statistics before. ``images`` is uint8 [n, 3, s, s]. Returns ``net``, in
    eval mode.

    Raises:
        BadModel: the model has no BatchNorm (its checkpoint was fused).
        BadSearch: fewer than two images.
    """
    layers = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not layers:
        raise BadModel("the model has no BatchNorm to recompute: it was saved fused for inference")
    if len(images) < 2:
        raise BadSearch(f"BatchNorm needs at least 2 images, got {len(images)}")
    momenta = [layer.momentum for layer in layers]
    device = next(net.parameters()).device
    net.eval()
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over the batches
            layer.train()
        # parts of nearly equal size: each counts alike, and none is a single image
        parts = min(math.ceil(len(images) / batch), len(images) // 2)
        with torch.no_grad():
            for part in np.array_split(images, parts):
                net(torch.from_numpy(part).to(device).float() / 255)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        net.eval()
    return net
