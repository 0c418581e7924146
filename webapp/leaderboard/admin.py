from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from webapp.leaderboard import services
from webapp.leaderboard.models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
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

    def has_change_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False

    @admin.action(description="Withdraw", permissions=["delete"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        reason = f"withdrawn by the administrator {request.user.get_username()}"
        count = sum(services.withdraw(entry, reason=reason) for entry in queryset)
        messages.info(request, f"{count} entries withdrawn")
