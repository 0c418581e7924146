"""Words of searches."""

from __future__ import annotations

from django.db import models


class Recipe(models.TextChoices):
    SUPERNET = "supernet", "Supernet (ours)"
    PAPER = "paper", "ActNAS as published"


class StageState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
