from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from webapp.searches import services
from webapp.searches.models import Measurement, Search, SearchRequest, Training


class _ReadOnly(admin.ModelAdmin):
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
    actions = ("retry", "cancel")

    @admin.action(description="Retry from the stage that failed", permissions=["delete"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Search]) -> None:
        count = sum(services.retry(search) for search in queryset)
        messages.info(request, f"{count} searches queued again")

    @admin.action(description="Cancel", permissions=["delete"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Search]) -> None:
        reason = f"cancelled by the administrator {request.user.get_username()}"
        count = sum(services.cancel_search(search, reason=reason) for search in queryset)
        messages.info(request, f"{count} searches cancelled")


@admin.register(Training)
class TrainingAdmin(_ReadOnly):
    list_display = ("hash", "title", "state", "created")
    list_select_related = ("job",)


@admin.register(Measurement)
class MeasurementAdmin(_ReadOnly):
    list_display = ("id", "search", "device", "state", "created")
    list_select_related = ("search__request", "device", "job")
    exclude = ("result", "document")
