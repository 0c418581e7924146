from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from devices import targets
from webapp.audit.admin import AuditedAdmin
from webapp.pool import services
from webapp.pool.models import Device, Host, NoiseCheck
from webapp.ui.people import signed_in


@admin.register(Host)
class HostAdmin(AuditedAdmin):
    list_display = ("name", "has_agent", "leased_by", "leased_at")
    readonly_fields = ("leased_by", "leased_at", "lease_heartbeat", "agent_heartbeat")


class DeviceForm(forms.ModelForm):
    """The targets are picked from the table in devices/targets.py."""

    targets = forms.MultipleChoiceField(
        choices=[(target.id, target.title) for target in targets.TARGETS],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Device
        fields = (
            "host",
            "name",
            "slug",
            "model",
            "targets",
            "cpuset",
            "memory_mib",
            "transport",
            "engine",
            "tls",
            "enabled",
            "health",
            "health_reason",
            "notes",
        )


@admin.register(Device)
class DeviceAdmin(AuditedAdmin):
    form = DeviceForm
    list_display = ("name", "host", "enabled", "state", "health", "health_reason")
    list_filter = ("enabled", "state", "health", "host")
    list_select_related = ("host",)
    prepopulated_fields = {"slug": ("name",)}
    actions = ("enable", "take_out")

    @admin.action(description="Put into service", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        count = _set(request, queryset, True)
        messages.info(request, f"{count} devices put into service")

    @admin.action(description="Take out of service", permissions=["change"])
    def take_out(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        count = _set(request, queryset, False)
        messages.info(request, f"{count} devices taken out; their jobs wait until they are back")


def _set(request: HttpRequest, devices: QuerySet[Device], in_service: bool) -> int:
    by = signed_in(request)
    return sum(
        services.set_in_service(device, in_service, by=by)
        for device in devices.select_related("host")
    )


@admin.register(NoiseCheck)
class NoiseCheckAdmin(admin.ModelAdmin):
    list_display = ("device", "target", "ratio", "low", "high", "created")
    list_filter = ("device", "target")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: NoiseCheck | None = None) -> bool:
        return False
