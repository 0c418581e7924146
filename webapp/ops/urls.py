from __future__ import annotations

from django.urls import path

from webapp.ops import views

app_name = "ops"
urlpatterns = [
    path("livez", views.live, name="live"),
    path("readyz", views.ready, name="ready"),
    path("metrics", views.metrics, name="metrics"),
]
