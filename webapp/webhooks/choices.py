"""Words of deliveries."""

from __future__ import annotations

from typing import Final

from django.db import models


class DeliveryState(models.TextChoices):
    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


TEST: Final = "test"  # the event of a delivery that its owner asked for
