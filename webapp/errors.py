"""What a request may be refused for. One line each, fit to be shown to who sent it."""

from __future__ import annotations

import errno

from devices.errors import causes

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
STORAGE_FULL = "the storage of the site is full; try again when there is room"


def is_storage_full(error: BaseException) -> bool:
    """Whether the error, or what led to it, is that no byte more could be written."""
    return any(isinstance(one, OSError) and one.errno in _NO_SPACE for one in causes(error))


class Refused(Exception):
    """The request cannot be done as it stands; ``status`` is the HTTP status to answer with.

    ``code`` is what programs know the problem by; empty: that of its status.
    """

    status = 422
    title = "Cannot be done"
    code = ""


class TooLarge(Refused):
    status = 413
    title = "Upload too large"


class NotReady(Refused):
    """What the request needs is still being checked, was refused, or is over."""

    status = 409
    title = "Not in a state for that"


class TooOften(Refused):
    """More of this than a minute allows; it may be tried again after ``wait_s`` seconds."""

    status = 429
    title = "Too many requests"
    code = "too-many-requests"

    def __init__(self, said: str, *, wait_s: int) -> None:
        super().__init__(said)
        self.wait_s = wait_s


class QuotaExceeded(Refused):
    """The account may not use more than it does; ``str()`` says used, asked for and allowed."""

    status = 403
    title = "Quota used up"
    code = "quota-exceeded"


class StorageFull(Refused):
    """Nobody's fault but ours."""

    status = 507
    title = "Storage full"
    code = "storage-full"

    def __init__(self) -> None:
        super().__init__(STORAGE_FULL)
