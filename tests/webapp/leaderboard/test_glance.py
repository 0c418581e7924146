"""The overview of the reference figures: which model it shows, and what its shades claim."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client

from tests.webapp.leaderboard.test_references import STUDY
from webapp.leaderboard.glance import glance, shade
from webapp.leaderboard.models import Reference

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("ratio", "interval", "expected"),
    [
        (0.60, (0.59, 0.61), "faster-4"),
        (0.88, (0.87, 0.89), "faster-3"),
        (0.94, (0.93, 0.95), "faster-2"),
        (0.97, (0.96, 0.98), "faster-1"),
        (0.99, (0.985, 0.995), ""),  # surely, but hardly
        (0.90, (0.70, 1.10), ""),  # perhaps
        (1.03, (1.02, 1.04), "slower-1"),
        (2.80, (2.70, 2.90), "slower-4"),
        (0.65, None, "faster-4"),  # modelled: nothing to be unsure of
        (1.00, None, ""),
    ],
)
def test_a_shade_claims_no_more_than_the_interval(
    ratio: float, interval: tuple[float, float] | None, expected: str
) -> None:
    low, high = interval or (None, None)
    assert shade(Reference(ratio=ratio, ratio_low=low, ratio_high=high)) == expected


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", "YOLOv8n at 320 px"),
        ("?model=YOLO11n&px=640", "YOLO11n at 640 px"),
        ("?model=YOLOv5n", "YOLOv5n at 320 px"),
        ("?px=640", "YOLOv8n at 640 px"),
        ("?model=Jabberwock&px=-1", "YOLOv8n at 320 px"),
    ],
)
def test_the_page_shows_what_was_asked_for_as_far_as_it_is_known(query: str, shown: str) -> None:
    call_command("import_references", STUDY)
    page = Client().get(f"/references/{query}").content.decode()
    assert f'id="glance-title">{shown}<' in page


def test_every_target_that_was_studied_has_a_row() -> None:
    call_command("import_references", STUDY)
    found = glance(list(Reference.objects.all()))
    assert found is not None
    assert {row.target.id for row in found.rows} == set(
        Reference.objects.values_list("target", flat=True)
    )
    relu = found.titles.index("ReLU")
    for row in found.rows:
        cell = row.cells[relu]
        assert cell is not None
        assert (cell.family, cell.imgsz, cell.activation) == ("YOLOv8n", 320, "relu")
