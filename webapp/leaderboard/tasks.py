"""What a worker does for the leaderboard: the export files of a snapshot."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from webapp.leaderboard.columns import COLUMNS
from webapp.leaderboard.models import Snapshot, SnapshotRow
from webapp.leaderboard.rows import arm_title
from webapp.leaderboard.snapshots import FORMATS

if TYPE_CHECKING:
    import pandas as pd

    from webapp.jobs.context import JobContext


def export(context: JobContext) -> None:
    """Write a snapshot as CSV, Parquet and JSON, all or nothing."""
    snapshot = Snapshot.objects.get(pk=context.job.payload["id"])
    frame = frame_of(snapshot)
    context.check()
    path = snapshot.folder.path
    part = path.with_name(f"{snapshot.pk}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir(parents=True)
    try:
        frame.to_csv(part / "entries.csv", index=False)
        frame.to_parquet(part / "entries.parquet", index=False)
        frame.to_json(part / "entries.json", orient="records", date_format="iso", indent=1)
        assert {path.suffix[1:] for path in part.iterdir()} == set(FORMATS)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)  # there may have been no room for it
        raise
    snapshot.folder.fetch()  # of an earlier export, so that this one may follow it
    shutil.rmtree(path, ignore_errors=True)
    os.replace(part, path)
    snapshot.folder.put()


def frame_of(snapshot: Snapshot) -> pd.DataFrame:
    """One row an entry, in the snapshot's order; no ``rank`` where the list was no ranking."""
    import pandas as pd

    rows = SnapshotRow.objects.filter(snapshot=snapshot).order_by("position")
    names = [f"entry__{attribute}" for attribute in COLUMNS.values()]
    read: list[dict[str, Any]] = []
    for values in rows.values("position", "rank", "entry__owner__username", *names).iterator():
        line = {"position": values["position"], "rank": values["rank"]}
        line |= {column: values[f"entry__{name}"] for column, name in COLUMNS.items()}
        read.append(line | {"published_by": values["entry__owner__username"]})
    # Named, because a snapshot whose entries were all deleted still has its columns.
    frame = pd.DataFrame(read, columns=["position", "rank", *COLUMNS, "published_by"])
    frame["rank"] = frame["rank"].astype("Int64")
    frame.insert(frame.columns.get_loc("arm") + 1, "arm_title", frame["arm"].map(arm_title))
    for column in frame.columns:
        if len(frame) and frame[column].isna().all() and column != "rank":  # a missing figure
            frame[column] = frame[column].astype("float64")
    return frame
