"""Writing the audit trail. Called by the services that act, whoever asked them to."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import Model

from webapp.audit.choices import Action
from webapp.audit.models import Record


def record(*, by: User, action: Action, what: Model, detail: str = "") -> None:
    """Note that ``by`` did ``action`` to ``what``. Call it in the transaction of the act itself."""
    Record.objects.create(
        actor=by.get_username(),
        actor_key=by.pk,
        action=action,
        kind=str(what._meta.verbose_name)[:30],
        key=str(what.pk),
        title=str(what)[:200],
        detail=detail,
    )


def record_unknown(*, action: Action, kind: str, detail: str) -> None:
    """Note an act of somebody who is nobody here."""
    Record.objects.create(
        actor="", actor_key=0, action=action, kind=kind, key="", title="unknown", detail=detail
    )
