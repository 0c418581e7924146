from __future__ import annotations

from django.contrib import admin
from django.urls import path

from webapp.analysis import views

_for_staff = admin.site.admin_view

app_name = "analysis"
urlpatterns = [
    path("", _for_staff(views.page), name="page"),
    path("again/", _for_staff(views.make_again), name="again"),
    path("<int:days>/<slug:table>.csv", _for_staff(views.download), name="download"),
]
