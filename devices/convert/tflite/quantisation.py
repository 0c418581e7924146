"""Int8 quantisation as TFLite defines it: per-tensor feature maps, per-channel weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Quantisation:
    """real value = scale * (int8 value - zero_point)."""

    scale: float
    zero_point: int

    @classmethod
    def covering(cls, low: float, high: float) -> Quantisation:
        """The finest one that holds ``low`` .. ``high`` and 0 exactly."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max(high - low, 1e-6) / 255
        return cls(scale, int(np.clip(round(-128 - low / scale), -128, 127)))

    def quantise(self, values: NDArray[Any]) -> NDArray[np.int8]:
        """``values`` as int8, saturated."""
        return np.clip(np.round(values / self.scale) + self.zero_point, -128, 127).astype(np.int8)

    def rounded(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """``values`` as int8 holds them, in float32."""
        low, high = -128 - self.zero_point, 127 - self.zero_point
        scale = np.float32(self.scale)
        return np.clip(np.rint(values / scale), low, high).astype(np.float32) * scale


# TFLite fixes the quantisation of LOGISTIC's int8 output.
LOGISTIC_OUTPUT = Quantisation(1 / 256, -128)


def weights(
    values: NDArray[np.float32], axis: int, least: NDArray[np.float32] | float = 0.0
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 weights and one scale per entry of ``axis``, none below ``least``."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    scales = (np.maximum(np.abs(values).max(others), 1e-9) / 127).astype(np.float32)
    scales = np.maximum(scales, least).astype(np.float32)
    shape = [1] * values.ndim
    shape[axis] = -1
    return np.clip(np.round(values / scales.reshape(shape)), -127, 127).astype(np.int8), scales


def least_scales(bias: NDArray[np.float32], source: Quantisation) -> NDArray[np.float32]:
    """Below these scales of the weights a channel's bias does not fit into int32.

    It happens where a layer sees next to nothing, and its weights then matter as little.
    """
    return (np.abs(bias) / (2.0**30 * source.scale)).astype(np.float32)


def bias(values: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.int32]:
    """``values`` as int32 in steps of ``scales``, saturated."""
    limits = np.iinfo(np.int32)
    return np.clip(np.round(values / scales.astype(np.float64)), limits.min, limits.max).astype(
        np.int32
    )
