"""The rows of Wonderland, here too."""

from __future__ import annotations

from tests.webapp.pages.conftest import world

__all__ = ["world"]
