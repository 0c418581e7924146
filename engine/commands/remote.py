"""``actnas remote``: use a site from a shell."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.errors import BadRequest
from engine.commands import own, repeat
from engine.commands.inputs import Outcome, check_file, names_in

if TYPE_CHECKING:
    from engine.remote import Client

SITE, TOKEN = "ACTNAS_SITE", "ACTNAS_TOKEN"
WISHES = (
    *("data_set", "recipe", "max_latency_ratio", "max_memory_ratio", "max_map_loss"),
    *("time_limit_min", "epochs", "seed", "imgsz", "distil", "augment", "cost_model"),
    *("unit", "name", "visibility"),
)
FILTERS = ("target", "family", "kind", "owner", "q", "order")


def add_arguments(top: argparse.ArgumentParser) -> None:
    """The sub-commands. The token comes from the environment: flags show in process lists."""
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, help: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=help, description=help)
        action.add_argument("--site", metavar="URL", help=f"default: {SITE}; token: {TOKEN}")
        action.add_argument("--json", action="store_true", help="one JSON document on stdout")
        return action

    upload = add("upload", "send a model (.pt, .yaml, .onnx) or a data set (.zip)")
    upload.add_argument("file", type=Path, metavar="FILE")
    upload.add_argument("--name", default="", help="what the site calls it")
    upload.add_argument("--visibility", choices=("private", "public"), default="private")

    search = add("search", "ask for a search and follow it to its end")
    search.add_argument("--model", required=True, metavar="ID")
    search.add_argument("--data-set", metavar="ID", help="without one: a cost study")
    search.add_argument("--target", required=True, action="append", metavar="T", help="repeatable")
    search.add_argument("--activations", metavar="A,B")
    search.add_argument("--recipe", choices=("supernet", "paper"))
    for limit in ("max-latency-ratio", "max-memory-ratio", "max-map-loss", "time-limit-min"):
        search.add_argument(f"--{limit}", type=float, metavar="X")
    for whole in ("epochs", "seed", "imgsz"):
        search.add_argument(f"--{whole}", type=int, metavar="N")
    search.add_argument("--distil", action="store_true", default=None)
    search.add_argument("--augment", metavar="HOW", help="shift or none")
    search.add_argument("--cost-model", metavar="NAME", help="combined, for one that is checked")
    search.add_argument("--unit", metavar="WHAT", help="site, or block: its sites choose alike")
    search.add_argument("--name", metavar="TEXT")
    search.add_argument("--visibility", choices=("public", "private"))
    search.add_argument("--no-watch", action="store_true", help="do not wait for its end")

    watch = add("watch", "follow a search to its end")
    watch.add_argument("request", metavar="ID")

    download = add("download", "the files of an entry")
    download.add_argument("entry", metavar="ENTRY")
    download.add_argument("--file", action="append", metavar="NAME", help="only this one")
    download.add_argument("--out", type=Path, default=Path(), metavar="DIR")

    own.add_arguments(add)
    repeat.add_arguments(add("repeat", "measure an entry's own file again, here"))

    board = add("leaderboard", "the entries, best first")
    for name in FILTERS:
        board.add_argument(f"--{name}", metavar="TEXT")
    board.add_argument("--out", type=Path, metavar="FILE", help="also as .csv or .parquet")


def run(options: argparse.Namespace) -> Outcome:
    """What the site answered."""
    from engine.remote import Client

    site = options.site or os.environ.get(SITE)
    if not site:
        raise BadRequest(f"no site: give --site URL or set {SITE}")
    with Client(site, token=os.environ.get(TOKEN) or None) as client:
        return _ACTIONS[options.action](client, options)


def _upload(client: Client, options: argparse.Namespace) -> Outcome:
    from engine.console import Reporter
    from engine.remote.client import kind_of

    check_file(options.file, "model or data set")
    kind = kind_of(options.file)
    with Reporter() as reporter:

        def seen(found: dict[str, Any]) -> None:
            done = found["job"]["fraction"] if found["job"] else 0.0
            reporter.progress("check", done, f"the site checks it: {found['state']}")

        made = client.upload(
            options.file,
            name=options.name,
            visibility=options.visibility,
            progress=lambda fraction: reporter.progress("upload", fraction, options.file.name),
        )
        made = client.ready(kind, made["id"], seen=seen)
    return made, lambda: print(made["id"])


def _search(client: Client, options: argparse.Namespace) -> Outcome:
    wish = {**_given(options, WISHES), "model": options.model, "targets": options.target}
    if options.activations is not None:
        wish["activations"] = names_in(options.activations)
    asked = client.search(wish)
    if options.no_watch:
        return asked, lambda: print(asked["id"])
    return _followed(client, asked["id"])


def _given(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """The options of these names that were given."""
    found = {name: getattr(options, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _watch(client: Client, options: argparse.Namespace) -> Outcome:
    return _followed(client, options.request)


def _followed(client: Client, request: str) -> Outcome:
    from engine.console import Reporter
    from engine.remote.progress import of_search

    found: dict[str, Any] = {}
    with Reporter() as reporter:
        for found in client.watch(request):
            for search in found["searches"]:
                reporter.progress(search["target"], *of_search(search))

    def show() -> None:
        for search in found["searches"]:
            said = search["verdict"] or search["reason"] or search["state"]
            print(f"{search['target']}: {said}")
            for entry in search["entries"]:
                print(f"  entry {entry}")

    return found, show


def _download(client: Client, options: argparse.Namespace) -> Outcome:
    from engine.console import Reporter

    if options.out.exists() and not options.out.is_dir():
        raise BadRequest(f"--out {options.out} is a file; a folder is needed")
    entry = client.entry(options.entry)
    wanted = options.file or entry["files"]
    for name in wanted:
        if name not in entry["files"]:
            raise BadRequest(
                f"entry {options.entry} has no file {name!r}; it has {', '.join(entry['files'])}"
            )
    options.out.mkdir(parents=True, exist_ok=True)
    written: dict[str, str] = {}
    with Reporter() as reporter:

        def progress(name: str) -> Callable[[float], None]:
            return lambda fraction: reporter.progress(name, fraction, "")

        for name in wanted:
            into = options.out / Path(name).name  # a site's word never leads out of the folder
            written[str(into)] = client.download(
                entry=options.entry, name=name, into=into, progress=progress(name)
            )
    document = {"entry": options.entry, "file_sha256": entry["file_sha256"], "files": written}

    def show() -> None:
        for path, digest in written.items():
            measured = "  (the file the figures are of)" if digest == entry["file_sha256"] else ""
            print(f"{path}  sha256 {digest}{measured}")

    return document, show


def _leaderboard(client: Client, options: argparse.Namespace) -> Outcome:
    writers = {".csv": "to_csv", ".parquet": "to_parquet"}
    if options.out is not None and options.out.suffix not in writers:
        raise BadRequest(f"--out {options.out} ends in neither {' nor '.join(writers)}")
    entries = list(client.entries(**_given(options, FILTERS)))
    if options.out is not None:
        from engine.remote.frame import of_entries

        getattr(of_entries(entries), writers[options.out.suffix])(options.out, index=False)

    def show() -> None:
        from engine.console import for_tables
        from engine.remote.table import leaderboard

        for_tables().print(leaderboard(entries))

    return {"schema": "actnas.leaderboard/1", "entries": entries}, show


_ACTIONS: dict[str, Callable[[Client, argparse.Namespace], Outcome]] = {
    "upload": _upload,
    "search": _search,
    "watch": _watch,
    "download": _download,
    "leaderboard": _leaderboard,
    "repeat": repeat.run,
    **own.RUN,
}
