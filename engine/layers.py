"""Running a net again from one of its layers on, on a batch that it has seen."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["Layers", "layer_of"]


class Layers:
    """The outputs of every layer of an ultralytics ``net`` for ``images`` [n, 3, s, s].

    After a change inside layer ``k``, :meth:`again` gives what the whole net would put out without
    running the layers before it. Nothing is copied: the net must not change before ``k``.
    """

    def __init__(self, net: nn.Module, images: torch.Tensor) -> None:
        self._layers: list[Any] = list(net.model)  # type: ignore[arg-type]
        self._images = images
        self._outputs = self._run(0, [])

    @property
    def output(self) -> Any:
        """What the net puts out for the images."""
        return self._outputs[-1]

    def again(self, first: int) -> Any:
        """What the net puts out now, its layers before ``first`` being as they were."""
        return self._run(first, self._outputs[:first])[-1]

    def _run(self, first: int, outputs: list[Any]) -> list[Any]:
        outputs = list(outputs)
        for layer in self._layers[first:]:
            before = outputs[-1] if outputs else self._images
            if isinstance(layer.f, int):
                given = before if layer.f == -1 else outputs[layer.f]
            else:
                given = [before if source == -1 else outputs[source] for source in layer.f]
            outputs.append(layer(given))
        return outputs


def layer_of(site: str) -> int:
    """The number of the layer that holds the site at module path ``site`` ("model.4.m.0.cv1.act").

    Raises:
        ValueError: the path does not begin like that.
    """
    return int(site.split(".")[1])
