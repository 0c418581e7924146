"""Public ids: short, unguessable, safe in a URL, and silent about how many rows there are."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter looks like a digit
LENGTH = 12


def new_id() -> str:
    """Twelve random characters (60 bits)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
