"""Stored files of uploads without a row: found, left alone while they are new, removed."""

from __future__ import annotations

from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests.browser import factories
from tests.webapp.conftest import People
from webapp.catalog.models import Detector
from webapp.catalog.orphans import Orphans


def stored(site: Path) -> set[str]:
    root = site / "storage"
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def leave(name: str) -> None:
    default_storage.save(name, ContentFile(b"of nobody"))


def test_what_has_no_row_at_two_looks_goes_with_its_folder(people: People, site: Path) -> None:
    kept = factories.detector(people.owner)
    kept.file.save("m.yaml", ContentFile(b"a model"))
    leave("models/0123456789ab/m.pt")
    leave("data-sets/0123456789ab/d.zip")
    leave("data-sets/0123456789ab/thumbnails/0.webp")
    orphans = Orphans()
    assert orphans.sweep() == 0  # they may be on their way in
    assert len(stored(site)) == 4
    assert orphans.sweep() == 2
    assert stored(site) == {kept.file.name}
    assert not (site / "storage" / "models" / "0123456789ab").exists()
    assert orphans.sweep() == 0


def test_what_got_its_row_meanwhile_stays(people: People, site: Path) -> None:
    late = factories.detector(people.owner)
    leave(f"models/{late.pk}/m.pt")
    Detector.objects.filter(pk=late.pk).delete()
    orphans = Orphans()
    assert orphans.sweep() == 0
    late.save(force_insert=True)
    assert orphans.sweep() == 0
    assert orphans.sweep() == 0
    assert stored(site) == {f"models/{late.pk}/m.pt"}


def test_an_empty_storage_is_no_error(people: People) -> None:
    assert Orphans().sweep() == 0
