"""The command ``actnas``: the engine without the site.

Exit status: 0 done, 1 our fault or the device's, 2 bad input, 130 interrupted. Errors are one line
on stderr. With --json exactly one JSON document goes to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NoReturn

from devices.errors import BadRequest, DeviceError, Unsupported
from engine.commands import remote
from engine.errors import Cancelled, EngineError, Pending, UserError

# Everything heavy is imported by the command that needs it, so that mistakes are told at once.


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadRequest(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    top = _Parser(prog="actnas", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
        return command

    def add_model(command: argparse.ArgumentParser) -> None:
        command.add_argument("model", type=Path, metavar="MODEL", help=".pt, .yaml or .onnx")
        command.add_argument("--imgsz", type=int, metavar="N", help="image size in pixels")

    add("targets", "list the targets")
    add_model(add("inspect", "list the activation sites of a model"))

    measure = add("measure", "latency and memory of a model, or of one mix of it, on a target")
    add_model(measure)
    measure.add_argument("--target", required=True, metavar="T", help="see: actnas targets")
    which = measure.add_mutually_exclusive_group()
    which.add_argument("--uniform", metavar="ACT", help="this activation at every site")
    which.add_argument("--assignment", type=Path, metavar="FILE", help="assignment JSON")
    measure.add_argument("--data", type=Path, metavar="DATA.yaml", help="calibration images")
    measure.add_argument("--seconds", type=float, default=60.0, help="measure at most so long")

    search = add("search", "find the best activation of every site")
    add_model(search)
    search.add_argument("--target", required=True, action="append", metavar="T", help="repeatable")
    search.add_argument("--data", type=Path, metavar="DATA.yaml")
    search.add_argument("--activations", metavar="A,B", help="candidates (default: by recipe)")
    search.add_argument("--recipe", choices=("supernet", "paper"), default="supernet")
    search.add_argument("--max-latency-ratio", type=float, metavar="R", help="goal")
    search.add_argument("--max-memory-ratio", type=float, metavar="R", help="limit")
    search.add_argument("--max-map-loss", type=float, metavar="D", help="limit, mAP50-95 (0..1)")
    search.add_argument("--epochs", type=int, metavar="N", help="epochs of the training")
    search.add_argument(
        "--distil", action="store_true", help="every arm also learns from a teacher"
    )
    search.add_argument(
        "--augment", choices=("shift", "none"), default="shift", help="how images are varied"
    )
    search.add_argument(
        "--cost-model",
        choices=("one_at_a_time", "uniform_profile", "random_design", "combined"),
        help="how latency is predicted (default: what suits recipe and target)",
    )
    search.add_argument(
        "--unit", choices=("site", "block"), default="site", help="what chooses by itself"
    )
    search.add_argument("--time-limit", type=float, metavar="MIN", help="minutes for everything")
    search.add_argument("--seed", type=int, default=0, metavar="S")
    search.add_argument("--out", type=Path, required=True, metavar="DIR")
    search.add_argument("--resume", action="store_true", help="go on with what DIR holds")

    apply = add("apply", "export a model with the activations of an assignment")
    add_model(apply)
    apply.add_argument("--assignment", type=Path, required=True, metavar="FILE")
    images = apply.add_mutually_exclusive_group(required=True)
    images.add_argument("--data", type=Path, metavar="DATA.yaml", help="recompute BatchNorm on it")
    images.add_argument("--no-recalibrate", action="store_true", help="leave BatchNorm alone")
    apply.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")

    carried = add("bundle", "a folder that measures a model's uniform variants on another machine")
    add_model(carried)
    carried.add_argument("--target", required=True, action="append", metavar="T", help="repeatable")
    carried.add_argument("--activations", default="relu,silu,hardswish,leaky_relu", metavar="A,B")
    carried.add_argument("--data", type=Path, metavar="DATA.yaml", help="calibration images")
    carried.add_argument("--seconds", type=float, default=60.0, help="a target's measurement")
    carried.add_argument("--out", type=Path, required=True, metavar="DIR")
    back = add("results", "check and show what a bundle brought back")
    back.add_argument("folder", type=Path, metavar="DIR", help="the bundle with its results.json")

    remote.add_arguments(
        commands.add_parser("remote", help="use a site", description="use a site of ours")
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        options = parser().parse_args(arguments)
        return _run(options)
    except (UserError, BadRequest, Unsupported) as error:
        return _fail(error, 2)
    except (EngineError, DeviceError, Pending, OSError) as error:
        return _fail(error, 1)
    except (Cancelled, KeyboardInterrupt):
        return _fail("interrupted", 130)


def _run(options: argparse.Namespace) -> int:
    from engine.commands import COMMANDS
    from engine.console import only_document

    command = COMMANDS[options.command]
    if not options.json:
        _, show = command(options)
        show()
        return 0
    with only_document() as stdout, redirect_stdout(sys.stderr):
        document, _ = command(options)
        json.dump(document, stdout, indent=1)
        stdout.write("\n")
    return 0


def _fail(error: object, status: int) -> int:
    lines = str(error).split("\n")
    line = " ".join(part.strip() for part in lines if part.strip()) or type(error).__name__
    print(f"actnas: {line}", file=sys.stderr)
    return status
