"""``actnas remote``: what one has on a site, and what can be done about it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from engine.commands.inputs import Outcome

if TYPE_CHECKING:
    from engine.remote import Client

Document = dict[str, Any]

_TIMES = {"created", "last_used", "switched_off"}

# What `list` lists -> the columns that it shows.
LISTS: dict[str, tuple[str, ...]] = {
    "models": ("id", "name", "family", "state", "visibility", "created"),
    "data-sets": ("id", "name", "state", "visibility", "created"),
    "searches": ("id", "name", "targets", "state", "visibility", "created"),
    "tokens": ("prefix", "name", "scopes", "created", "last_used"),
    "webhooks": ("id", "url", "failures", "switched_off", "created"),
    "devices": ("slug", "name", "model", "health", "queued"),
}
_ACTIONS = {
    "cancel": "end what has not ended",
    "pause": "stop what is going on; what is finished stays",
    "resume": "let what is paused go on",
    "retry": "run what failed or was cancelled again, from the stage that failed",
}


class Add(Protocol):
    """Makes the parser of one sub-command."""

    def __call__(self, name: str, help: str) -> argparse.ArgumentParser: ...


def add_arguments(add: Add) -> None:
    """The sub-commands of this file."""
    listed = add("list", "your models, data sets, searches, tokens, webhooks; the site's devices")
    listed.add_argument("what", choices=tuple(LISTS), metavar="WHAT", help=", ".join(LISTS))
    for name, help in _ACTIONS.items():
        action = add(name, f"of a search, {help}")
        action.add_argument("request", metavar="ID")
        action.add_argument("--target", metavar="T", help="only the search of this target")
    crossed = add("cross", "the best mix of each target, as the search's other targets see it")
    crossed.add_argument("request", metavar="ID")
    crossed.add_argument("--measure", action="store_true", help="have the missing pairs measured")
    add("log", "what a search wrote down").add_argument("request", metavar="ID")
    withdrawn = add("withdraw", "take an entry of yours off the leaderboard")
    withdrawn.add_argument("entry", metavar="ENTRY")
    withdrawn.add_argument("--reason", required=True, metavar="TEXT", help="stays on its page")
    add("quotas", "what you use of what you may use")


def _list(client: Client, options: argparse.Namespace) -> Outcome:
    what: str = options.what
    read: dict[str, Callable[[], list[Document]]] = {
        "models": lambda: list(client.uploads("models")),
        "data-sets": lambda: list(client.uploads("data-sets")),
        "searches": lambda: list(client.requests()),
        "tokens": lambda: list(client.tokens()),
        "webhooks": lambda: list(client.webhooks()),
        "devices": client.devices,
    }
    rows = read[what]()
    document = {"schema": "actnas.list/1", "of": what, "rows": rows}
    return document, lambda: _table(LISTS[what], [_local(row) for row in rows])


def _act(client: Client, options: argparse.Namespace) -> Outcome:
    act: Callable[..., Document] = getattr(client, options.action)
    done = act(options.request, target=options.target)

    def show() -> None:
        for search in done.get("searches", [done]):
            print(f"{search['target']}: {search['state']}")

    return done, show


def _cross(client: Client, options: argparse.Namespace) -> Outcome:
    call = client.measure_cross if options.measure else client.cross
    found = call(options.request)

    def show() -> None:
        _table(("mix_of", "target", "ratio", "ratio_ci", "kind"), found["cells"])
        for target in found["pending"]:
            print(f"being measured on {target}")
        print(found["verdict"] or "nothing can be said yet")

    return found, show


def _log(client: Client, options: argparse.Namespace) -> Outcome:
    lines = list(client.log(options.request))[::-1]

    def show() -> None:
        for line in lines:
            said = line["message"] if line["kind"] == "log" else line["kind"]
            print(f"{_here(line['at'])}  {line['target']}  {line['stage']}: {said}")

    return {"schema": "actnas.list/1", "of": "log", "rows": lines}, show


def _withdraw(client: Client, options: argparse.Namespace) -> Outcome:
    entry = client.withdraw(options.entry, reason=options.reason)
    return entry, lambda: print(f"entry {entry['id']} is withdrawn: {entry['withdrawn_reason']}")


def _quotas(client: Client, options: argparse.Namespace) -> Outcome:
    rows = client.quotas()
    document = {"schema": "actnas.list/1", "of": "quotas", "rows": rows}
    told = [
        {
            "what": row["name"].replace("_", " "),
            "used": _quantity(row["used"], row["unit"]),
            "allowed": _quantity(row["allowed"], row["unit"]),
        }
        for row in rows
    ]
    return document, lambda: _table(("what", "used", "allowed"), told)


def _table(columns: tuple[str, ...], rows: list[Document]) -> None:
    from rich.table import Table

    from engine.console import for_tables

    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    for_tables().print(table if rows else "none", markup=False)


def _local(row: Document) -> Document:
    """A row whose times are told in the reader's zone."""
    return {name: _here(value) if name in _TIMES else value for name, value in row.items()}


def _here(moment: str | None) -> str | None:
    """A time of the API in the reader's zone."""
    return moment and f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _quantity(value: int | None, unit: str) -> str:
    """Bytes as GiB and seconds as hours, where there are so many."""
    large = {"bytes": (2**30, "GiB"), "s": (3600, "h")}
    if value is None:
        return "no limit"
    size, name = large.get(unit, (1, unit))
    return f"{value / size:.2f} {name}" if size > 1 else f"{value} {unit}"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    if isinstance(value, float):
        return f"{value:.3f}"
    return "-" if value is None else str(value)


RUN: dict[str, Callable[[Client, argparse.Namespace], Outcome]] = {
    "list": _list,
    **dict.fromkeys(_ACTIONS, _act),
    "cross": _cross,
    "log": _log,
    "withdraw": _withdraw,
    "quotas": _quotas,
}
