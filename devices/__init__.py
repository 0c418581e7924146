"""Ground floor: what runs on or next to the hardware. Never imports engine or webapp."""

from __future__ import annotations

import os

# ONNX Runtime reads this when it is loaded. Without it a thread of its own sends usage data, beside
# what is being measured.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

HARNESS_VERSION = "2"

__version__ = "0.1.0"  # of the whole project; pyproject.toml reads it here
