"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from webapp.api.api import api

urlpatterns = [
    path("", include("webapp.ops.urls")),
    path("", include("webapp.leaderboard.urls")),
    path("accounts/webhooks/", include("webapp.webhooks.urls")),
    path("accounts/", include("webapp.accounts.urls")),
    path("", include("webapp.catalog.urls")),
    path("devices/", include("webapp.pool.urls")),
    path("searches/", include("webapp.searches.urls")),
    path("api/v1/", api.urls),
    path("admin/analysis/", include("webapp.analysis.urls")),
    path("admin/rq/", include("django_rq.urls")),
    path("admin/", admin.site.urls),
]
