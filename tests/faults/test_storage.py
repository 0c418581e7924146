"""No byte more can be written: small file systems that are really full."""

from __future__ import annotations

import httpx
import pytest

from tests.faults.conftest import YAML, Site
from tests.faults.test_web import models, stored
from tests.small_disk import small_disk

pytestmark = [pytest.mark.slow, pytest.mark.mount]


def send(site: Site, *, key: str) -> httpx.Response:
    text = YAML.read_bytes().replace(b"yolov8", b"yolov8n") + b"\n# " + b"x" * 200_000
    return httpx.post(
        f"{site.stack.url}/api/v1/models",
        files={"file": ("y.yaml", text)},
        headers={"Authorization": f"Bearer {site.token}", "Idempotency-Key": key},
        timeout=60,
    )


def kept(site: Site) -> int:
    """The bytes that count against the user's quota."""
    answer = httpx.get(
        f"{site.stack.url}/api/v1/users/me/quotas",
        headers={"Authorization": f"Bearer {site.token}"},
        timeout=60,
    )
    return int({quota["name"]: quota["used"] for quota in answer.json()}["stored_bytes"])


@pytest.mark.parametrize("place", ["storage", "uploads"])
def test_an_upload(site: Site, place: str) -> None:
    """Where files stay, and where they are taken in."""
    known, files, bytes_kept = models(site), stored(site), kept(site)
    with small_disk(site.stack.data / place, size="64k"):
        refused = send(site, key=place)
        assert (refused.status_code, refused.json()["code"]) == (507, "storage-full")
        assert not [path for path in (site.stack.data / place).rglob("*") if path.is_file()]
    assert (models(site), stored(site), kept(site)) == (known, files, bytes_kept)
    answer = send(site, key=place)  # room again: the same request
    assert answer.status_code == 201, answer.text
    assert site.script.ready("models", answer.json()["id"])["state"] == "ready"
