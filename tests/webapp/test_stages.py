"""The rows of a search's stages: what they say after a run that ended without a word."""

from __future__ import annotations

from webapp.searches import stages


def test_a_stage_whose_end_was_never_told_is_settled() -> None:
    rows = list(stages.plan({"inspect": "Inspect", "cost": "Measure", "decide": "Decide"}))
    stages.apply(rows, stage="inspect", kind="started", message="", fraction=0.0, at=10.0)
    stages.apply(rows, stage="cost", kind="started", message="", fraction=0.0, at=20.0)
    stages.apply(rows, stage="cost", kind="finished", message="", fraction=1.0, at=25.0)
    stages.settle(rows, {"inspect": 4.21, "cost": 99.0})
    assert [(row["state"], row["seconds"]) for row in rows] == [
        ("finished", 4.2),
        ("finished", 5.0),  # what was told stays
        ("waiting", None),
    ]
    # What a resumed run repeats changes nothing.
    told = stages.apply(rows, stage="inspect", kind="started", message="", fraction=0.0, at=30.0)
    assert not told
    assert rows[0]["state"] == "finished"
