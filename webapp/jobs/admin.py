from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from webapp.audit.admin import AuditedAdmin, with_reason
from webapp.jobs import services
from webapp.jobs.models import Job
from webapp.jobs.standstill import why
from webapp.ui.people import signed_in

WHY = "why_it_does_not_move"  # the field that comes first


@admin.register(Job)
class JobAdmin(AuditedAdmin):
    """Jobs are made and changed by the site; an administrator reads, requeues and cancels."""

    list_display = ("id", "kind", "state", "queue", "owner", "attempt", "progress", "reason")
    list_filter = ("state", "kind", "queue", "fault")
    search_fields = ("owner__username", "reason", "worker")
    date_hierarchy = "created"
    list_select_related = ("owner",)
    readonly_fields = (WHY,)
    actions = ("requeue", "cancel")

    def get_fields(self, request: HttpRequest, obj: Job | None = None) -> list[Any]:
        return sorted(super().get_fields(request, obj), key=lambda name: name != WHY)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @admin.display(description="Why it does not move")
    def why_it_does_not_move(self, job: Job) -> str:
        return why(job)

    @admin.action(description="Run again, with a reason", permissions=["delete"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        by = signed_in(request)

        def act(job: Job, reason: str) -> bool:
            return services.restart(job, by=by, reason=reason)

        rows = queryset.select_related("owner")
        return with_reason(
            self, request, rows, title="Run these jobs again", act=act, done="queued again"
        )

    @admin.action(description="Cancel, with a reason", permissions=["delete"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        by = signed_in(request)

        def act(job: Job, reason: str) -> bool:
            said = f"cancelled {services.by_whom(job, by)}: {reason}"
            return services.cancel(job, by=by, reason=said)

        rows = queryset.select_related("owner")
        return with_reason(
            self, request, rows, title="Cancel these jobs", act=act, done="cancelled"
        )
