"""Words of the pool."""

from __future__ import annotations

from django.db import models


class DeviceState(models.TextChoices):
    IDLE = "idle", "Idle"
    LEASED = "leased", "Leased"
    RUNNING = "running", "Running"


class Health(models.TextChoices):
    UNKNOWN = "unknown", "Not checked yet"
    GOOD = "good", "Good"
    NOISY = "noisy", "Noisy"
    BAD = "bad", "Bad"


class Transport(models.TextChoices):
    LOCAL = "local", "Subprocess on the host"
    DOCKER = "docker", "Docker container"
