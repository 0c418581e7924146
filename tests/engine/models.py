"""Types of the fixtures."""

from __future__ import annotations

from typing import Any

from engine.loading import Model


class WithNet(Model):
    """A model that is known to have a net."""

    net: Any
