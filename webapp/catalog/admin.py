from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest

from webapp.audit.admin import AuditedAdmin
from webapp.catalog.models import DataSet, Detector, Upload
from webapp.leaderboard import ranking


class _UploadAdmin(AuditedAdmin):
    """Uploads are made by people and filled in by their check; here they are read and hidden."""

    list_select_related = ("owner",)
    list_filter = ("state", "visibility")
    search_fields = ("name", "owner__username", "sha256")
    date_hierarchy = "created"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Upload, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        ranking.named_anew(cast("Detector | DataSet", obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Upload | None = None) -> list[str]:
        fields = [field.name for field in self.model._meta.fields]
        return [name for name in fields if name not in {"name", "visibility"}]


@admin.register(Detector)
class DetectorAdmin(_UploadAdmin):
    list_display = ("name", "owner", "family", "state", "visibility", "created")


@admin.register(DataSet)
class DataSetAdmin(_UploadAdmin):
    list_display = ("name", "owner", "state", "visibility", "created")
