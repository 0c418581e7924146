"""How many threads torch may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def use_all() -> int:
    """Let torch use every processor that this process may run on, and return their number.

    Importing ultralytics pins OpenMP to one thread unless OMP_NUM_THREADS says otherwise, and
    os.cpu_count() ignores a container's cpuset. ACTNAS_THREADS sets a smaller number.
    """
    allowed = len(os.sched_getaffinity(0))
    wanted = min(allowed, int(os.environ.get("ACTNAS_THREADS") or allowed))
    torch.set_num_threads(max(1, wanted))
    return max(1, wanted)


@contextmanager
def one() -> Iterator[None]:
    """Let torch use one thread for a while: where others keep the processors busy, a second one
    of torch's would wait for its turn in every operator, spinning."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
