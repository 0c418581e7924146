"""Ground floor: what runs on or next to the hardware. Never imports engine or webapp."""

HARNESS_VERSION = "1"

__version__ = "0.1.0"  # of the whole project; pyproject.toml reads it here
