from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from devices import targets
from devices.errors import BadRequest
from webapp.audit.admin import AuditedAdmin, with_reason
from webapp.errors import Refused
from webapp.pool import health
from webapp.pool.choices import Cause
from webapp.pool.models import Device, HealthChange, HealthCheck, Host, NoiseCheck
from webapp.searches import bundles
from webapp.searches.bundles import copied
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
            "check_every_jobs",
            "check_every_h",
            "tags",
            "notes",
        )


class ResultsForm(forms.Form):
    results = forms.FileField(label="results.json", help_text="as the bundle left it in its folder")


@admin.register(Device)
class DeviceAdmin(AuditedAdmin):
    """Health is not a field to fill in: actions change it, with a reason, and checks do."""

    form = DeviceForm
    list_display = ("name", "host", "state", "health", "health_reason", "tags")
    list_filter = ("state", "health", "host", "transport")
    search_fields = ("name", "slug", "model", "tags", "notes")
    list_select_related = ("host",)
    readonly_fields = ("health", "health_reason")
    prepopulated_fields = {"slug": ("name",)}
    actions = ("check_now", "take_out", "put_back", "retire", "bundle")
    change_list_template = "admin/pool/devices.html"

    @admin.action(description="Check now", permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        count = 0
        for device in queryset.select_related("host"):
            try:
                health.start_check(device, cause=Cause.ASKED, by=signed_in(request))
                count += 1
            except Refused as refusal:
                messages.warning(request, str(refusal))
        messages.info(request, f"{count} devices will be checked")

    @admin.action(description="Take out of service, with a reason", permissions=["change"])
    def take_out(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        return self._change(
            request,
            queryset,
            health.take_out,
            title="Take these devices out of service",
            done="taken out; their jobs wait until they are back",
        )

    @admin.action(description="Put back into service, with a reason", permissions=["change"])
    def put_back(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        return self._change(
            request,
            queryset,
            health.put_back,
            title="Put these devices back into service",
            done="put back, and queued to be checked",
        )

    @admin.action(description="Retire, with a reason", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        return self._change(
            request, queryset, health.retire, title="Retire these devices", done="retired"
        )

    @admin.action(description="Download what waits, as a bundle", permissions=["change"])
    def bundle(self, request: HttpRequest, queryset: QuerySet[Device]) -> FileResponse | None:
        device = queryset.select_related("host").first()
        if device is None or queryset.count() > 1:
            messages.warning(request, "a bundle is for one device: choose one")
            return None
        try:
            archive = bundles.archive(device)
        except (Refused, BadRequest) as error:
            messages.warning(request, str(error))
            return None
        return FileResponse(archive, as_attachment=True, filename=f"{device.slug}.zip")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.import_results)
        return [path("import/", view, name="pool_device_import"), *super().get_urls()]

    def import_results(self, request: HttpRequest) -> HttpResponse:
        """Take the results.json of a bundle in."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = ResultsForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                with copied(form.cleaned_data["results"]) as file:
                    told = bundles.take_in(file, by=signed_in(request))
            except (Refused, BadRequest) as error:
                form.add_error("results", str(error))
            else:
                messages.info(request, told.line)
                return redirect("admin:pool_device_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "title": "Import the results of a bundle",
        }
        return TemplateResponse(request, "admin/pool/import.html", context)

    def _change(
        self,
        request: HttpRequest,
        queryset: QuerySet[Device],
        change: Callable[..., bool],
        *,
        title: str,
        done: str,
    ) -> HttpResponse | None:
        by = signed_in(request)

        def act(device: Device, reason: str) -> bool:
            return change(device, by=by, reason=reason)

        rows = queryset.select_related("host")
        return with_reason(self, request, rows, title=title, act=act, done=done, reader="everybody")


class _Written(admin.ModelAdmin):
    """Rows that the site writes: to be read and, if need be, deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(HealthChange)
class HealthChangeAdmin(_Written):
    list_display = ("device", "at", "was", "now", "reason", "by")
    list_filter = ("device", "now")
    list_select_related = ("device__host",)

    @admin.display(description="By")
    def by(self, change: HealthChange) -> str:
        return change.author or "a check"


@admin.register(HealthCheck)
class HealthCheckAdmin(_Written):
    list_display = ("device", "created", "cause", "ratio", "latency_ms", "drift", "failure")
    list_filter = ("device", "cause", "target")
    list_select_related = ("device__host",)


@admin.register(NoiseCheck)
class NoiseCheckAdmin(_Written):
    list_display = ("device", "target", "ratio", "low", "high", "created")
    list_filter = ("device", "target")
    list_select_related = ("device__host",)
