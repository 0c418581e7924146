"""How few epochs a search can share out: known without torch, so that a form can say it."""

from __future__ import annotations

from typing import Final

FEWEST: Final = 2  # one to adapt to the data, and one of each arm by itself
