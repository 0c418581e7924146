"""Words of the job table."""

from __future__ import annotations

from django.db import models


class Kind(models.TextChoices):
    VALIDATE_MODEL = "validate_model", "Validate a model"
    VALIDATE_DATA_SET = "validate_data_set", "Validate a data set"
    SEARCH = "search", "Search"
    TRAIN = "train", "Train"
    MEASURE = "measure", "Measure"
    CHECK = "check", "Check a device"
    EXPORT = "export", "Export the leaderboard"
    ANALYSIS = "analysis", "Analyse the site"
    DELIVER = "deliver", "Deliver to a webhook"


class State(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting"  # for a training or a measurement; holds no worker
    PAUSED = "paused", "Paused"  # by its owner, until resumed; holds no worker
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


FINAL = (State.FINISHED, State.FAILED, State.CANCELLED)
ALIVE = (State.QUEUED, State.RUNNING, State.WAITING)  # what it needs is needed now
OPEN = (*ALIVE, State.PAUSED)  # may still go on


class Fault(models.TextChoices):
    NONE = "", "Nobody's"
    USER = "user", "The upload or the request"
    OURS = "ours", "Ours"
