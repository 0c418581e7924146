"""Words of searches."""

from __future__ import annotations

from django.db import models


class Recipe(models.TextChoices):
    SUPERNET = "supernet", "Supernet (ours)"
    PAPER = "paper", "ActNAS as published"


class Augment(models.TextChoices):
    SHIFT = "shift", "Images are shifted"
    NONE = "none", "None"


class CostModel(models.TextChoices):
    """Those of engine.costs, which a web process cannot import."""

    UNIFORM_PROFILE = "uniform_profile", "Profiles of the uniform models"
    COMBINED = "combined", "Profiles, checked on mixes not seen"
    RANDOM_DESIGN = "random_design", "Random mixes"
    ONE_AT_A_TIME = "one_at_a_time", "One swap at a time"

    __empty__ = "What suits the target"


class Unit(models.TextChoices):
    SITE = "site", "Each site"
    BLOCK = "block", "Each block of the model"


class StageState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
