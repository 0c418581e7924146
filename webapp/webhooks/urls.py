from __future__ import annotations

from django.urls import path

from webapp.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("", views.webhooks, name="list"),
    path("<slug:webhook_id>/", views.webhook, name="webhook"),
    path("<slug:webhook_id>/test/", views.test, name="test"),
    path("<slug:webhook_id>/secret/", views.secret, name="secret"),
    path("<slug:webhook_id>/delete/", views.delete, name="delete"),
]
