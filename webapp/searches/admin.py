from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from webapp.audit.admin import AuditedAdmin, with_reason
from webapp.jobs.standstill import why
from webapp.searches import services
from webapp.searches.models import Measurement, Search, SearchRequest, Training
from webapp.ui.people import signed_in

WHY = "why_it_does_not_move"  # the field that comes first


class _ReadOnly(AuditedAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(SearchRequest)
class SearchRequestAdmin(_ReadOnly):
    list_display = ("id", "name", "owner", "detector", "data_set", "recipe", "created")
    list_select_related = ("owner", "detector", "data_set")
    search_fields = ("id", "name", "owner__username")
    date_hierarchy = "created"


@admin.register(Search)
class SearchAdmin(_ReadOnly):
    list_display = ("id", "request", "target", "device", "state", "stage", "reason")
    list_select_related = ("request", "device", "job")
    list_filter = ("job__state", "target", "device")
    search_fields = ("id", "request__name", "request__owner__username")
    exclude = ("result",)
    readonly_fields = (WHY,)
    actions = ("retry", "cancel")

    def get_fields(self, request: HttpRequest, obj: Search | None = None) -> list[Any]:
        return sorted(super().get_fields(request, obj), key=lambda name: name != WHY)

    @admin.display(description="Why it does not move")
    def why_it_does_not_move(self, search: Search) -> str:
        return "its job was removed" if search.job is None else why(search.job)

    @admin.action(description="Retry from the stage that failed", permissions=["delete"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Search]) -> HttpResponse | None:
        by = signed_in(request)

        def act(search: Search, reason: str) -> bool:
            return services.retry(search, by=by, reason=reason)

        rows = queryset.select_related("request__owner", "job")
        return with_reason(
            self, request, rows, title="Retry these searches", act=act, done="queued again"
        )

    @admin.action(description="Cancel", permissions=["delete"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Search]) -> HttpResponse | None:
        by = signed_in(request)

        def act(search: Search, reason: str) -> bool:
            return services.cancel_search(search, by=by, reason=reason)

        rows = queryset.select_related("request", "job__owner")
        return with_reason(
            self, request, rows, title="Cancel these searches", act=act, done="cancelled"
        )


@admin.register(Training)
class TrainingAdmin(_ReadOnly):
    list_display = ("hash", "title", "state", "created")
    list_select_related = ("job",)


@admin.register(Measurement)
class MeasurementAdmin(_ReadOnly):
    list_display = ("id", "search", "device", "state", "created")
    list_select_related = ("search__request", "device", "job")
    exclude = ("result", "document")
