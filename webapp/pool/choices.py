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
    MAINTENANCE = "maintenance", "In maintenance"
    RETIRED = "retired", "Retired"


SERVING = (Health.UNKNOWN, Health.GOOD, Health.NOISY)  # measures for searches
BY_PERSON = (Health.MAINTENANCE, Health.RETIRED)  # no check changes these


class Cause(models.TextChoices):
    """Why a health check was made."""

    REGISTRATION = "registration", "at registration"
    JOBS = "jobs", "after so many measurements"
    HOURS = "hours", "after so many hours"
    RECOVERY = "recovery", "to see whether it is well again"
    ASKED = "asked", "asked for by an administrator"


class Transport(models.TextChoices):
    LOCAL = "local", "Subprocess on the host"
    DOCKER = "docker", "Docker container"
    BUNDLE = "bundle", "Folder that is carried to it"
