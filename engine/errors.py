"""Errors of this floor, split into the user's fault and ours. One line each."""

from __future__ import annotations

from typing import Any


class EngineError(Exception):
    """Our fault: something that should hold does not."""


class UserError(Exception):
    """The user's fault; ``str()`` is one line: what is wrong and what would be accepted.

    ``usage`` is what finding that out took, where somebody measured it (engine.sandbox.client).
    """

    def __init__(self, *said: object, usage: Any = None) -> None:
        super().__init__(*said)
        self.usage = usage


class BadModel(UserError):
    """The model file cannot be used."""


class BadDataSet(UserError):
    """The data set cannot be used."""


class BadSearch(UserError):
    """What was asked of the search, or of one of its parts, cannot be done."""


class Cancelled(Exception):
    """Somebody asked for the end of this work; nothing is wrong."""


class Pending(Exception):
    """What was asked for is being made elsewhere; ask again when it is there."""


def one_line(error: BaseException) -> str:
    """The first line of what ``error`` says, up to 200 characters; its type if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
