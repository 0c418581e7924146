from __future__ import annotations

from django.urls import path

from webapp.pool import views

app_name = "pool"
urlpatterns = [
    path("", views.devices, name="devices"),
    path("<slug:slug>/", views.device, name="device"),
]
