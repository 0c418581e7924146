"""How far a search on the site has come, as a bar shows it."""

from __future__ import annotations

from engine.remote.client import ENDED, Document


def of_search(search: Document) -> tuple[float, str]:
    """(fraction 0 to 1, what it is doing in words) of one search of a request."""
    if search["state"] in ENDED:
        reason = f": {search['reason']}" if search["reason"] else ""
        return 1.0, f"{ENDED[search['state']]}{reason}"
    title = {stage["name"]: stage["title"] for stage in search["stages"]}
    said = dict.fromkeys((title.get(search["stage"]), search["message"]))  # often the same
    text = ": ".join(part for part in said if part)
    if search["position"]:
        text = f"number {search['position']} in the queue"
    for other in search["waiting"][:1]:
        text = f"{other['title']}: {other['fraction']:.0%} {other['message']}"
    return min(search["fraction"], 0.99), text or search["state"]
