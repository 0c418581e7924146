from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from webapp.accounts.models import Allowance, ApiToken


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    list_display = ("name", "prefix", "user", "created", "last_used", "revoked")
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    exclude = ("key_hash",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    @admin.action(description="Revoke", permissions=["delete"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            token.revoke()
        messages.info(request, f"{len(queryset)} tokens revoked")


@admin.register(Allowance)
class AllowanceAdmin(admin.ModelAdmin):
    """What one user may use, where that differs from the site's limits."""

    list_display = (
        "user",
        "stored_mib",
        "searches_at_once",
        "searches_a_day",
        "device_s_a_day",
        "note",
    )
    list_select_related = ("user",)
    search_fields = ("user__username", "note")
    autocomplete_fields = ("user",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Allowance | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else ("user",)
