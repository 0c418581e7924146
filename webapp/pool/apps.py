from __future__ import annotations

from django.apps import AppConfig


class PoolConfig(AppConfig):
    name = "webapp.pool"
    label = "pool"
