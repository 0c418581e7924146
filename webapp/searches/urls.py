from __future__ import annotations

from django.urls import path

from webapp.searches import views

app_name = "searches"
urlpatterns = [
    path("", views.requests, name="list"),
    path("new/", views.new, name="new"),
    path("new/estimate/", views.estimate, name="estimate"),
    path("<str:request_id>/", views.request, name="request"),
    path("<str:request_id>/live/", views.live, name="live"),
    path("<str:request_id>/cross/", views.measure_across, name="cross"),
    path("<str:request_id>/cancel/", views.cancel_request, name="cancel-request"),
    path("<str:request_id>/<str:search_id>/figures/", views.figures, name="figures"),
    path("<str:request_id>/<str:search_id>/against/<str:other_id>/", views.against, name="against"),
    path("<str:request_id>/<str:search_id>/cancel/", views.cancel, name="cancel"),
    path("<str:request_id>/<str:search_id>/pause/", views.pause, name="pause"),
    path("<str:request_id>/<str:search_id>/resume/", views.resume, name="resume"),
    path("<str:request_id>/<str:search_id>/retry/", views.retry, name="retry"),
]
