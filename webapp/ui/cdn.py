"""The two browser libraries that the pages use, by address and integrity hash.

Each file named here is part of the npm package of that version, byte for byte, so that a
self-hosted copy (setting ``CDN``) and the browser tests can serve the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

DEFAULT_BASE = "https://cdn.jsdelivr.net/npm"


@dataclass(frozen=True)
class CdnFile:
    """``package``@``version`` of npm, the ``path`` inside it, and the hash of that file."""

    package: str
    version: str
    path: str
    integrity: str

    def url(self, base: str) -> str:
        """The file's address below ``base`` (a CDN that mirrors npm, or your own copy)."""
        return f"{base.rstrip('/')}/{self.package}@{self.version}/{self.path}"


FILES: dict[str, CdnFile] = {
    "chart.js": CdnFile(
        "chart.js",
        "4.6.1",
        "dist/chart.umd.min.js",
        "sha384-Emf5ZVIUiarAdhkgtqK+5/Z5qIvM6QoVrS+qAVtfyZVuD5lIHrac0me485+Antp0",
    ),
    "htmx": CdnFile(
        "htmx.org",
        "2.0.11",
        "dist/htmx.min.js",
        "sha384-2OatzQy1H+Zd/IIrjr1TcuDGqLXeHhbooAyJY1KdQMKnr4LZ22k31GBLdYKHmVjg",
    ),
}


def url(name: str) -> str:
    """Where this site's pages load library ``name`` from (setting ``CDN``; empty: the default)."""
    return FILES[name].url(settings.CDN or DEFAULT_BASE)
