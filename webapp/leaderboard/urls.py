from __future__ import annotations

from django.urls import path

from webapp.leaderboard import views
from webapp.ui import source

app_name = "leaderboard"
urlpatterns = [
    path("", views.index, name="index"),
    path("source", source.archive, name="source"),
    path("compare/", views.compare, name="compare"),
    path("method/", views.method, name="method"),
    path("entries/<str:entry_id>/", views.entry, name="entry"),
    path("entries/<str:entry_id>/samples.json", views.samples, name="samples"),
    path("entries/<str:entry_id>/withdraw/", views.withdraw, name="withdraw"),
    path("entries/<str:entry_id>/files/<str:name>", views.download, name="download"),
]
