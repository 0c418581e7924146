"""What an agent does now and then beside its workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def every(seconds: float, chore: Callable[[], None]) -> Callable[[], None]:
    """What may be called often, and does ``chore`` once in ``seconds``.

    On a thread of its own: an engine or a storage that is away must not hold the agent up.
    """
    last, thread = -seconds, threading.Thread()

    def now_and_then() -> None:
        nonlocal last, thread
        if time.monotonic() - last < seconds or thread.is_alive():
            return
        last = time.monotonic()
        thread = threading.Thread(target=chore, daemon=True)
        thread.start()

    return now_and_then
