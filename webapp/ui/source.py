"""The source code of this very site, as the AGPL asks (section 13)."""

from __future__ import annotations

import io
import tarfile
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

# What the repository holds; everything else in the folder (data, secrets, caches) stays here.
_PARTS = (
    ".ci",
    "LICENSE",
    "Makefile",
    "README.md",
    "constraints.txt",
    "devices",
    "docker",
    "docs",
    "engine",
    "manage.py",
    "pyproject.toml",
    "tests",
    "tools",
    "webapp",
)


@require_safe
def archive(request: HttpRequest) -> HttpResponse:
    """The running code as a tar.gz: what ``ACTNAS_SOURCE_URL`` points to unless it is set."""
    response = HttpResponse(_packed(settings.BASE_DIR), content_type="application/gzip")
    response.headers["Content-Disposition"] = 'attachment; filename="actnas-bench.tar.gz"'
    return response


@cache
def _packed(root: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for part in _PARTS:
            if (root / part).exists():
                tar.add(root / part, arcname=f"actnas-bench/{part}", filter=_clean)
    return buffer.getvalue()


def _clean(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without caches, and without the names of this machine's users."""
    name = Path(member.name)
    if name.name in {"__pycache__", "var"} or name.suffix == ".pyc":
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
