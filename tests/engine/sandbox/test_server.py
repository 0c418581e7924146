"""The server of the sandbox and its children, without a client."""

from __future__ import annotations

import socket
import time

import pytest

from engine.sandbox import server


def test_a_child_is_looked_at_before_it_can_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all that it shares with the server would count as taken by a check of milliseconds."""
    look = server._resident_kib

    def late(pid: int) -> int:
        time.sleep(0.3)
        return look(pid)

    monkeypatch.setattr(server, "_resident_kib", late)
    ours, theirs = socket.socketpair()
    with ours:
        ended = server.reap(server.start(b"no request", [theirs.detach()]))
    assert ended["status"] == 1
    assert ended["idle_mib"] > 10
