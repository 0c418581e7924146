"""Ids of rows, short, unguessable, safe in a URL, silent about how many there are; of the site."""

from __future__ import annotations

import secrets

from django.utils.crypto import salted_hmac

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter looks like a digit
LENGTH = 12


def new_id() -> str:
    """Twelve random characters (60 bits)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def site_label() -> str:
    """What containers of this site carry: several sites may share an engine, and each sweeps its
    own only."""
    return salted_hmac("actnas.docker", "site", algorithm="sha256").hexdigest()[:16]
