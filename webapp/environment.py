"""What the environment says: typed readers for settings.py."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """The variable ``name``, or ``default`` where it is not set."""
    return os.environ.get(name, default)


def flag(name: str, default: bool) -> bool:
    """A yes-or-no variable.

    Raises:
        ImproperlyConfigured: the value is neither.
    """
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither 1 nor 0")


def number(name: str, default: int) -> int:
    """A whole number.

    Raises:
        ImproperlyConfigured: the value is none.
    """
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number") from None


def choice(name: str, default: str, known: Collection[str]) -> str:
    """One of the values ``known``.

    Raises:
        ImproperlyConfigured: the value is another.
    """
    value = os.environ.get(name, default)
    if value not in known:
        raise ImproperlyConfigured(f"{name}={value!r}; known: {', '.join(known)}")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, without empty items."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(name: str, default: Path) -> dict[str, Any]:
    """Django's description of the database at the URL in ``name``; SQLite at ``default`` without.

    ``sqlite:///absolute/path`` and ``postgresql://user:password@host:port/name?sslmode=require``.

    Raises:
        ImproperlyConfigured: another scheme.
    """
    url = urlsplit(text(name) or f"sqlite://{default}")
    if url.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(url.path),
            "OPTIONS": {
                "timeout": 30,
                # IMMEDIATE: a transaction that will write waits its turn at the start. The default
                # fails at once with "database is locked" when a reader turns into a writer.
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    if url.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(url.path.lstrip("/")),
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": unquote(url.hostname or ""),
            "PORT": str(url.port or ""),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            # A server that is away is an error within seconds, not a request that hangs.
            "OPTIONS": {"connect_timeout": "5", **dict(parse_qsl(url.query))},
        }
    raise ImproperlyConfigured(
        f"{name} names the scheme {url.scheme!r}; known: sqlite:///PATH, postgresql://HOST/NAME"
    )
