"""docs/scaling.md: its text is the template beside this file, its figures are the benchmark's."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

from tests.benchmarks.load import leaderboard

TEMPLATE = Path(__file__).with_name("scaling.template.md")
MISSING = "(not measured yet)"
_LEASE_S = 60  # of a device that always measures


def write(rows: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Writes the page; a figure that no row gives is named as missing.

    Raises:
        KeyError: the template asks for a figure that nobody computes.
    """
    known = dict.fromkeys(_names(), MISSING) | _figures(rows)
    path.write_text(Template(TEMPLATE.read_text()).substitute(known))


def _names() -> list[str]:
    pages = [f"{page}_{what}" for page in leaderboard.PAGES for what in ("cpu", "rate")]
    return [*pages, *_OTHERS]


_OTHERS = (
    *("publish", "table_bytes", "index_bytes", "stream_first", "stream_rate", "stream_growth"),
    *("upload_rate", "upload_cpu", "upload_rss", "queueing", "decision", "job_cpu", "jobs_rate"),
    *("largest", "devices_by_cpu", "ten_million"),
)


def _figures(rows: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entries, parts in leaderboard.by_size(rows["leaderboard"]).items():
        if parts.keys() >= set(leaderboard.PARTS):
            found |= _leaderboard(entries, parts)  # the largest comes last
    for row in rows["uploads"]:
        values = row["values"]
        found["upload_rate"] = f"{values['mib_s']:.0f}"
        found["upload_cpu"] = f"{values['cpu_s_a_upload']:.2f}"
        found["upload_rss"] = f"{max(values['rss_peak_mib']):.0f}"
    for row in rows["queue"]:
        values = row["values"]
        found["queueing"] = f"{values['queueing_ms']['p50']:.1f}"
        found["decision"] = f"{values['decision_ms']['p50']:.1f}"
        found["job_cpu"] = f"{values['cpu_ms_a_job']:.0f}"
        found["jobs_rate"] = f"{values['jobs_s']:.0f}"
        found["devices_by_cpu"] = f"{2 * 1000 / values['cpu_ms_a_job'] * _LEASE_S:,.0f}"
    return found


def _leaderboard(entries: int, parts: dict[str, Any]) -> dict[str, str]:
    found = {"largest": f"{entries:,}"}
    for page in leaderboard.PAGES:
        ms = parts[page]["cpu_ms_a_request"]
        found[f"{page}_cpu"] = f"{ms:.1f}"
        found[f"{page}_rate"] = f"{1000 / ms:.0f}"
    most = max(parts["publish"]["runs"], key=lambda one: one["moved"])
    found["publish"] = (
        f"{most['seconds']:.1f} s into a ranking of {most['entries']:,}, of which "
        f"{most['moved']:,} moved"
    )
    table, indexes = (parts["size"][name] * 2**20 / entries for name in ("table", "indexes"))
    found["table_bytes"], found["index_bytes"] = f"{table:.0f}", f"{indexes:.0f}"
    found["ten_million"] = f"{10_000_000 * (table + indexes) / 2**30:.0f}"
    stream = parts["stream"]
    found["stream_first"] = f"{stream['first_byte_s']:.2f}"
    found["stream_rate"] = f"{stream['rows'] / stream['seconds']:,.0f}"
    found["stream_growth"] = f"{stream['rss_peak_mib'] - stream['rss_before_mib']:.0f}"
    return found
