"""The signature of a webhook: how the site makes it, and how a receiver checks it.

``Actnas-Signature: t=<unix time>,v1=<hex>`` holds the HMAC-SHA256 of ``<unix time>.<body>``.
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256

HEADER = "Actnas-Signature"
TOLERANCE_S = 300.0


def sign(secret: str, body: bytes, *, at: int) -> str:
    """The header's value for ``body``, sent at the unix time ``at``."""
    return f"t={at},v1={_digest(secret, str(at), body)}"


def verify(secret: str, header: str, body: bytes, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether ``body`` (its bytes as they came) was signed with ``secret`` within ``tolerance_s``.

    ``header`` is the value of ``Actnas-Signature``. Never raises: what is no signature is a wrong
    one. The comparison takes the same time wherever the two differ. Within the tolerance a copy
    passes again: who must not act twice remembers the delivery's id.
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) < 12):
        return False
    expected = _digest(secret, times[0], body).encode()
    matches = [hmac.compare_digest(expected, value.encode(errors="replace")) for value in given]
    return any(matches) and abs(time.time() - int(times[0])) <= tolerance_s


def _digest(secret: str, at: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()
