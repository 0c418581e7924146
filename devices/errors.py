"""Errors of this floor. One line each: the thing, its value, what would be accepted.

Whom a failed job is addressed to follows from the class: who sent it, or who runs the device.
"""

from __future__ import annotations

from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what led to it, the nearest first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


class DeviceError(Exception):
    """Something on this floor could not be done; ``str()`` is fit to be shown to a user."""


class BadRequest(DeviceError):
    """The job, graph, assignment or file is wrong: the fault of who sent it."""


class Unsupported(DeviceError):
    """This target cannot run what was asked (an activation, an operator, an option)."""


class MeasurementFailed(DeviceError):
    """The device could not finish: it may, another time. For who runs the device."""


class OutOfMemory(MeasurementFailed):
    """The job needs more memory than the device gives: for who sent it, a retry changes nothing."""


class TimedOut(MeasurementFailed):
    """There was no result by the deadline."""


class Crashed(MeasurementFailed):
    """The device process was killed, or ended without a word of why."""


class NotAResult(MeasurementFailed):
    """What the device wrote is no result of this job."""


class WrongProtocol(MeasurementFailed):
    """Site and device speak different versions of the protocol: one of them must be upgraded."""


class NotConfined(DeviceError):
    """A container lacks a limit that it was started with; nothing was sent to it."""


class DeviceNotReady(DeviceError):
    """The device takes no jobs now (engine away, image missing): they wait for who runs it."""
