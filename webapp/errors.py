"""What a request may be refused for. One line each, fit to be shown to who sent it."""

from __future__ import annotations


class Refused(Exception):
    """The request cannot be done as it stands; ``status`` is the HTTP status to answer with."""

    status = 422
    title = "Cannot be done"


class TooLarge(Refused):
    status = 413
    title = "Upload too large"


class NotReady(Refused):
    """What the request needs is still being checked, was refused, or is over."""

    status = 409
    title = "Not in a state for that"
