"""Errors of this floor. One line each: the thing, its value, what would be accepted."""

from __future__ import annotations


class DeviceError(Exception):
    """Something on this floor could not be done; ``str()`` is fit to be shown to a user."""


class BadRequest(DeviceError):
    """The job, graph, assignment or file is wrong: the fault of who sent it."""


class Unsupported(DeviceError):
    """This target cannot run what was asked (an activation, an operator, an option)."""


class MeasurementFailed(DeviceError):
    """The device could not finish: crash, time-out, out of memory, output that is not a result."""
