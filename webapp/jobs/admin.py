from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from webapp.jobs import services
from webapp.jobs.models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    """Jobs are made and changed by the site; an administrator reads, requeues and cancels."""

    list_display = ("id", "kind", "state", "queue", "owner", "attempt", "progress", "reason")
    list_filter = ("state", "kind", "queue", "fault")
    search_fields = ("owner__username", "reason", "worker")
    date_hierarchy = "created"
    list_select_related = ("owner",)
    actions = ("requeue", "cancel")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @admin.action(description="Run again", permissions=["delete"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        count = sum(services.restart(job) for job in queryset)
        messages.info(request, f"{count} jobs queued again")

    @admin.action(description="Cancel", permissions=["delete"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        reason = f"cancelled by the administrator {request.user.get_username()}"
        count = sum(services.cancel(job, reason=reason) for job in queryset)
        messages.info(request, f"{count} jobs cancelled")
