"""The trail in the administration pages, and what other apps' administration shares with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from webapp.audit import services
from webapp.audit.choices import Action
from webapp.audit.models import Record
from webapp.ui.people import signed_in

_REASON = 200  # characters

Row = TypeVar("Row", bound=Model)


@admin.register(Record)
class RecordAdmin(admin.ModelAdmin):
    """Read and filtered, by whoever may see it; nothing else."""

    list_display = ("at", "actor", "action", "kind", "title", "detail")
    list_filter = ("action", "kind", "at")
    search_fields = ("actor", "title", "key", "detail")
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Record | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Record | None = None) -> bool:
        return False


class AuditedAdmin(admin.ModelAdmin):
    """What is added, changed and deleted by forms of the administration pages is in the trail."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        services.record(by=signed_in(request), action=Action.ADDED, what=obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        services.record(
            by=signed_in(request), action=Action.CHANGED, what=obj, detail=_fields(message)
        )
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            services.record(by=signed_in(request), action=Action.DELETED, what=obj)
        return super().log_deletions(request, queryset)


def with_reason(
    owner: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Row],
    *,
    title: str,
    act: Callable[[Row, str], bool],
    done: str,
    reader: str = "the owner",
) -> HttpResponse | None:
    """For an action of ``owner``: ask for a reason, then ``act(row, reason)`` on every row.

    ``done`` says in the end what happened to how many rows: "cancelled"; ``reader`` is who sees the
    reason.
    """
    reason = request.POST.get("reason", "").strip()
    if reason:
        count = sum(act(row, reason[:_REASON]) for row in queryset)
        messages.info(request, f"{count} {owner.opts.verbose_name_plural} {done}")
        return None
    context = {
        **owner.admin_site.each_context(request),
        "opts": owner.opts,
        "title": title,
        "rows": queryset,
        "action": request.POST.get("action", ""),
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across", "0"),
        "longest": _REASON,
        "reader": reader,
        "missing": "reason" in request.POST,
    }
    return TemplateResponse(request, "admin/reason.html", context)


def _fields(message: Any) -> str:
    """The names of the changed fields in a message of Django's administration."""
    if isinstance(message, str):
        return message
    names = [name for part in message for name in part.get("changed", {}).get("fields", [])]
    return f"fields: {', '.join(names)}" if names else "nothing"
