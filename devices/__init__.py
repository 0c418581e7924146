"""Ground floor: what runs on or next to the hardware. Never imports engine or webapp."""

HARNESS_VERSION = "1"
