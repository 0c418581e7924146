from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from webapp.webhooks.models import Delivery, Webhook


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Webhook)
class WebhookAdmin(ReadOnly):
    list_display = ("url", "owner", "failures", "switched_off", "created")
    list_select_related = ("owner",)
    search_fields = ("url", "owner__username")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("id", "event", "webhook", "state", "not_before", "created")
    list_filter = ("state", "event")
    list_select_related = ("webhook",)
    search_fields = ("webhook__url", "webhook__owner__username")
