"""What the environment says: typed readers for settings.py."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The variable ``name``, or ``default`` where it is not set."""
    return os.environ.get(name, default)


def secret(name: str) -> str:
    """The variable ``name``, or what the file holds that ``name``_FILE names; "" without either.

    Raises:
        ImproperlyConfigured: both are set, or the file cannot be read.
    """
    value, path = text(name), text(f"{name}_FILE")
    if not path:
        return value
    if value:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; one is enough")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE={path!r}: {error}") from None


def flag(name: str, default: bool) -> bool:
    """A yes-or-no variable; an empty one counts as not set.

    Raises:
        ImproperlyConfigured: the value is neither.
    """
    value = os.environ.get(name)
    if not value:
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
    url = urlsplit(secret(name) or f"sqlite://{default}")
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


def storages(local: Path) -> dict[str, dict[str, Any]]:
    """Django's descriptions of the file storages: the folder ``local``, or an S3-compatible one.

    ``default`` holds uploads. ``work`` is there only where the storage is remote, and holds what
    workers of several hosts share (webapp/folders.py). The variables ACTNAS_S3_BUCKET, _ENDPOINT,
    _REGION, _PREFIX, _ACCESS_KEY and _SECRET_KEY say where it is; without the two keys boto3 looks
    where it always does.

    Raises:
        ImproperlyConfigured: one of the keys without the other.
    """
    bucket = text("ACTNAS_S3_BUCKET")
    if not bucket:
        return {
            "default": {
                "BACKEND": "django.core.files.storage.FileSystemStorage",
                "OPTIONS": {"location": str(local), "base_url": None},
            }
        }
    from botocore.config import Config

    endpoint, prefix = text("ACTNAS_S3_ENDPOINT"), text("ACTNAS_S3_PREFIX").strip("/")
    access, hidden = secret("ACTNAS_S3_ACCESS_KEY"), secret("ACTNAS_S3_SECRET_KEY")
    if bool(access) != bool(hidden):
        raise ImproperlyConfigured("ACTNAS_S3_ACCESS_KEY and ACTNAS_S3_SECRET_KEY go together")
    options = {
        "bucket_name": bucket,
        "endpoint_url": endpoint or None,
        "region_name": text("ACTNAS_S3_REGION") or None,
        "access_key": access or None,
        "secret_key": hidden or None,
        "max_memory_size": 4 * 2**20,  # of a file that is read; the rest goes to the disk
        "client_config": Config(
            # Servers of one's own have no host name a bucket.
            s3={"addressing_style": "path" if endpoint else "auto"},
            signature_version="s3v4",
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 4},
            # Not every compatible server knows the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    }

    def described(folder: str, *, overwrite: bool) -> dict[str, Any]:
        place = f"{prefix}/{folder}" if prefix else folder
        own = {"location": place, "file_overwrite": overwrite}
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {**options, **own}}

    return {
        "default": described("files", overwrite=False),
        "work": described("work", overwrite=True),
    }
