"""What the demo asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Plan:
    """The data set to draw and the search to ask for."""

    images: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({"train": 300, "val": 100, "test": 300})
    )
    size: int = 320
    min_test_boxes: int = 20
    targets: tuple[str, ...] = (
        "cpu-openvino-fp32",
        "cpu-onnxruntime-int8",
        "npu-ethos-u55-128-int8",
    )
    activations: tuple[str, ...] = ("relu", "silu", "hardswish", "leaky_relu")
    max_map_loss: float = 0.015
    max_latency_ratio: float = 0.80
    epochs: int | None = 11  # four fewer than the engine's own: twenty minutes on two cores

    def wish(self, *, model: str, data_set: str) -> dict[str, Any]:
        """The body of ``POST /api/v1/searches``."""
        wish: dict[str, Any] = {
            "name": "Molecule drawings",
            "model": model,
            "data_set": data_set,
            "targets": list(self.targets),
            "activations": list(self.activations),
            "max_map_loss": self.max_map_loss,
            "max_latency_ratio": self.max_latency_ratio,
            "imgsz": self.size,
        }
        return wish if self.epochs is None else {**wish, "epochs": self.epochs}


FULL = Plan()
# Goes every step of the way in a few minutes; its figures mean nothing.
QUICK = Plan(
    images=MappingProxyType({"train": 32, "val": 16, "test": 24}),
    size=160,
    min_test_boxes=3,
    epochs=3,
)
