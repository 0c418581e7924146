from __future__ import annotations

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "webapp.ops"
    label = "ops"

    def ready(self) -> None:
        from webapp.ops import checks  # noqa: F401  # registers them
