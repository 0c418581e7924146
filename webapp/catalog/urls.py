from __future__ import annotations

from django.urls import path

from webapp.catalog import views

app_name = "catalog"
urlpatterns = [
    path("models/upload/", views.upload_model, name="upload-model"),
    path("models/<str:model_id>/", views.model, name="model"),
    path("models/<str:model_id>/state/", views.model_state, name="model-state"),
    path("data-sets/upload/", views.upload_data_set, name="upload-data-set"),
    path("data-sets/<str:data_set_id>/", views.data_set, name="data-set"),
    path("data-sets/<str:data_set_id>/state/", views.data_set_state, name="data-set-state"),
    path("data-sets/<str:data_set_id>/<int:number>.webp", views.thumbnail, name="thumbnail"),
]
