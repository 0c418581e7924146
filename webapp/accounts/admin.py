from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from webapp.accounts import quotas, services
from webapp.accounts.models import Allowance, ApiToken
from webapp.audit.admin import AuditedAdmin
from webapp.ui.people import signed_in

admin.site.unregister(User)


@admin.register(User)
class AuditedUserAdmin(AuditedAdmin, UserAdmin):
    """Django's own, with what is done here in the audit trail."""


@admin.register(ApiToken)
class ApiTokenAdmin(AuditedAdmin):
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
        by = signed_in(request)
        tokens = queryset.select_related("user")
        count = sum(services.revoke_token(token, by=by) for token in tokens)
        messages.info(request, f"{count} tokens revoked")


@admin.register(Allowance)
class AllowanceAdmin(admin.ModelAdmin):
    """What one user may use, where that differs from the site's limits."""

    list_display = ("user", *quotas.LIMITS, "note")
    list_select_related = ("user",)
    search_fields = ("user__username", "note")
    autocomplete_fields = ("user",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Allowance | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else ("user",)

    def save_model(self, request: HttpRequest, obj: Allowance, form: Any, change: bool) -> None:
        quotas.allow(obj, by=signed_in(request))

    def delete_model(self, request: HttpRequest, obj: Allowance) -> None:
        quotas.disallow(obj, by=signed_in(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Allowance]) -> None:
        for allowance in queryset:
            quotas.disallow(allowance, by=signed_in(request))
