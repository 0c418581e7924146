from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from webapp.audit.admin import AuditedAdmin, with_reason
from webapp.leaderboard import services
from webapp.leaderboard.models import Entry
from webapp.ui.people import signed_in


@admin.register(Entry)
class EntryAdmin(AuditedAdmin):
    """Entries are published by searches; here they are read and withdrawn."""

    list_display = ("id", "name", "owner", "target", "rank", "ratio", "map50_95", "withdrawn")
    list_filter = ("target", "kind", "family", "public")
    list_select_related = ("owner",)
    search_fields = ("id", "name", "owner__username", "file_sha256")
    date_hierarchy = "created"
    exclude = ("arms", "assignment")
    actions = ("withdraw",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        services.delete(queryset)

    def delete_model(self, request: HttpRequest, obj: Entry) -> None:
        services.delete(Entry.objects.filter(pk=obj.pk))

    def has_change_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False

    @admin.action(description="Withdraw, with a reason", permissions=["delete"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        by = signed_in(request)

        def act(entry: Entry, reason: str) -> bool:
            said = f"withdrawn by the administrator {by.get_username()}: {reason}"
            return services.withdraw(entry, by=by, reason=said)

        return with_reason(
            self, request, queryset, title="Withdraw these entries", act=act, done="withdrawn"
        )
