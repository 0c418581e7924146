from __future__ import annotations

from django.urls import path

from webapp.leaderboard import views
from webapp.ui import source

app_name = "leaderboard"
urlpatterns = [
    path("", views.index, name="index"),
    path("points.json", views.points, name="points"),
    path("entries.<str:kind>", views.stream, name="stream"),
    path("source", source.archive, name="source"),
    path("snapshots/", views.take_snapshot, name="take-snapshot"),
    path("snapshots/<str:snapshot_id>/", views.snapshot, name="snapshot"),
    path("snapshots/<str:snapshot_id>/files/", views.snapshot_files, name="snapshot-files"),
    path(
        "snapshots/<str:snapshot_id>/entries.<str:kind>", views.snapshot_file, name="snapshot-file"
    ),
    path("compare/", views.compare, name="compare"),
    path("references/", views.references_page, name="references"),
    path("method/", views.method, name="method"),
    path("entries/<str:entry_id>/", views.entry, name="entry"),
    path("entries/<str:entry_id>/samples.json", views.samples, name="samples"),
    path("entries/<str:entry_id>/withdraw/", views.withdraw, name="withdraw"),
    path("entries/<str:entry_id>/files/<str:name>", views.download, name="download"),
]
