"""How much of the site one account may use, and how much it uses.

Four limits: bytes of stored uploads, searches going on at once, searches started within 24 hours,
and seconds on devices within 24 hours. What failed by our fault counts in none of them. A limit
holds where something begins (an upload, a search, its retry); a search that has begun is finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils import timezone

from webapp.accounts.models import Allowance
from webapp.audit.choices import Action
from webapp.audit.services import record
from webapp.catalog.choices import UploadState
from webapp.catalog.models import DataSet, Detector
from webapp.errors import QuotaExceeded
from webapp.jobs.choices import ALIVE, Fault, Kind
from webapp.jobs.models import Job
from webapp.ui import figures

DAY = timedelta(hours=24)
MIB = 2**20
LIMITS = ("stored_mib", "searches_at_once", "searches_a_day", "device_s_a_day")


@dataclass(frozen=True)
class Quota:
    """One limit of an account. ``allowed`` is None without a limit; both are in ``unit``."""

    name: str
    title: str
    unit: str
    used: int
    allowed: int | None

    @property
    def left(self) -> int | None:
        """What may still be used, never negative; None without a limit."""
        return None if self.allowed is None else max(0, self.allowed - self.used)

    @property
    def used_text(self) -> str:
        """``used`` in words, with its unit."""
        return self._text(self.used)

    @property
    def allowed_text(self) -> str:
        """``allowed`` in words, with its unit; "no limit" without."""
        return "no limit" if self.allowed is None else self._text(self.allowed)

    def _text(self, value: int) -> str:
        if self.unit == "bytes":
            return figures.size(value)
        if self.unit == "s":
            return figures.duration(value)
        return f"{value:,}"


def quotas_of(user: User) -> list[Quota]:
    """Every limit of ``user`` with what is used of it: stored uploads first."""
    own = _allowance(user)
    return [_stored(user, own), *_work(user, own)]


def lock(user: User) -> None:
    """Let nobody else use up quotas of ``user`` until the transaction ends.

    Two requests at once are answered one after the other, and the second sees what the first made.
    SQLite needs no lock of a row: there a transaction holds the database from its start.
    """
    # NO KEY: rows that only point to the user can still be made meanwhile.
    User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()


def check_upload(user: User, *, name: str, size: int) -> None:
    """Does nothing if ``user`` may store ``size`` more bytes.

    Raises:
        QuotaExceeded: that would be more than is allowed.
    """
    quota = _stored(user, _allowance(user))
    if quota.left is not None and size > quota.left:
        raise QuotaExceeded(
            f"stored uploads: you keep {quota.used:,} bytes, file {name!r} has {size:,}; "
            f"allowed are {quota.allowed:,} together"
        )


def check_searches(user: User, *, starting: int, new: bool) -> None:
    """Does nothing if ``starting`` more searches of ``user`` may begin.

    ``new`` ones count as started within 24 hours; those that run again or are resumed were counted.

    Raises:
        QuotaExceeded: one of the limits stands against it.
    """
    if not starting:
        return
    at_once, a_day, device = _work(user, _allowance(user))
    for quota, hint in (
        (at_once, "wait until one has ended, or cancel one"),
        (a_day, "try again later"),
    ):
        if quota is a_day and not new:
            continue
        if quota.left is not None and starting > quota.left:
            raise QuotaExceeded(
                f"{quota.title.lower()}: {quota.used:,} used, {starting:,} asked for, "
                f"{quota.allowed:,} allowed; {hint}"
            )
    _check_device_time(device)


def check_device_time(user: User) -> None:
    """Does nothing if ``user`` may use a device any longer today.

    Raises:
        QuotaExceeded: the device time of 24 hours is used up.
    """
    *_, device = _work(user, _allowance(user))
    _check_device_time(device)


def _check_device_time(device: Quota) -> None:
    if device.left == 0:
        raise QuotaExceeded(
            f"{device.title.lower()}: {device.used:,} s used, {device.allowed:,} s allowed; "
            "try again later"
        )


def allow(allowance: Allowance, *, by: User) -> None:
    """Store what an administrator allows a user."""
    with transaction.atomic():
        before = Allowance.objects.filter(pk=allowance.pk).first()
        allowance.save()
        changes = [
            f"{name}: {getattr(before, name, None)} -> {getattr(allowance, name)}"
            for name in LIMITS
            if getattr(before, name, None) != getattr(allowance, name)
        ]
        action = Action.ADDED if before is None else Action.CHANGED
        record(by=by, action=action, what=allowance, detail=", ".join(changes) or "its note only")


def disallow(allowance: Allowance, *, by: User) -> None:
    """Let the site's limits hold for the user again."""
    with transaction.atomic():
        record(by=by, action=Action.DELETED, what=allowance)
        allowance.delete()


def _allowance(user: User) -> Allowance:
    """The user's own limits; an empty one, which is not stored, without."""
    return Allowance.objects.filter(user=user).first() or Allowance(user=user)


def _limit(own: int | None, default: int) -> int | None:
    return (default if own is None else own) or None  # 0: no limit


def _stored(user: User, own: Allowance) -> Quota:
    used = 0
    for model in (Detector, DataSet):
        # Refused by the user's fault: the file is gone. By ours: it does not count.
        kept = model.objects.filter(owner=user).exclude(state=UploadState.REFUSED)
        used += kept.order_by().aggregate(n=Sum("size"))["n"] or 0
    allowed = _limit(own.stored_mib, settings.QUOTA_STORED_MIB)
    return Quota(
        "stored_bytes", "Stored uploads", "bytes", used, None if allowed is None else allowed * MIB
    )


def _work(user: User, own: Allowance) -> tuple[Quota, Quota, Quota]:
    since = timezone.now() - DAY
    searches, measurements = Q(kind=Kind.SEARCH), Q(kind=Kind.MEASURE)
    used = Job.objects.filter(owner=user).aggregate(
        at_once=Count("pk", filter=searches & Q(state__in=ALIVE)),
        a_day=Count("pk", filter=searches & Q(created__gt=since) & ~Q(fault=Fault.OURS)),
        device_s=Sum("device_s", filter=measurements & Q(started__gt=since) & ~Q(fault=Fault.OURS)),
    )
    return (
        Quota(
            "searches_at_once",
            "Searches at once",
            "searches",
            used["at_once"],
            _limit(own.searches_at_once, settings.QUOTA_SEARCHES_AT_ONCE),
        ),
        Quota(
            "searches_a_day",
            "Searches within 24 hours",
            "searches",
            used["a_day"],
            _limit(own.searches_a_day, settings.QUOTA_SEARCHES_A_DAY),
        ),
        Quota(
            "device_s_a_day",
            "Device time within 24 hours",
            "s",
            round(used["device_s"] or 0),
            _limit(own.device_s_a_day, settings.QUOTA_DEVICE_S_A_DAY),
        ),
    )
