"""YAML from strangers: plain data, of bounded size and depth, without aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from engine.errors import UserError

__all__ = ["read"]

MAX_BYTES = 256 * 2**10
MAX_EVENTS = 40_000
MAX_DEPTH = 12


def read(path: Path, *, error: type[UserError]) -> dict[str, Any]:
    """The mapping in the YAML file ``path``.

    Tags that build objects are refused by the safe loader; aliases are refused because a short file
    can unfold to any size with them.

    Raises:
        error: the file is too large, too deep, no YAML, no mapping or uses aliases.
    """
    name = path.name
    if path.stat().st_size > MAX_BYTES:
        raise error(f"{name} is {path.stat().st_size} bytes; a YAML file has at most {MAX_BYTES}")
    try:
        text = path.read_text(encoding="utf-8")
        _check_events(text, name, error)
        document = yaml.safe_load(text)
    except UnicodeDecodeError:
        raise error(f"{name} is not UTF-8 text") from None
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise error(f"{name} is no plain YAML: {' '.join(str(problem).split())[:200]}") from None
    if not isinstance(document, dict):
        raise error(f"{name} holds {type(document).__name__}; expected a mapping of keys to values")
    return document


def _check_events(text: str, name: str, error: type[UserError]) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise error(f"{name} uses YAML aliases (*{event.anchor}); write the value out instead")
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        if depth > MAX_DEPTH:
            raise error(f"{name} is nested more than {MAX_DEPTH} levels deep")
        if count > MAX_EVENTS:
            raise error(f"{name} has more than {MAX_EVENTS} YAML items")
