"""Pages for uploading and looking at models and data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_safe

from webapp.catalog import services
from webapp.catalog.forms import DataSetForm, ModelForm, UploadForm
from webapp.catalog.labels import class_table
from webapp.catalog.models import DataSet, Detector
from webapp.catalog.pictures import pictures
from webapp.errors import Refused, TooOften
from webapp.ui import svg
from webapp.ui.people import signed_in
from webapp.ui.svg.network import DrawnSite

Stored = TypeVar("Stored", Detector, DataSet)


@login_required
@require_http_methods(["GET", "POST"])
def upload_model(request: HttpRequest) -> HttpResponse:
    """The upload form; a stored model's page follows, where its check is watched."""
    form = ModelForm(request.POST or None, request.FILES or None)
    detector = _stored(request, form, services.upload_model)
    if detector is not None:
        return redirect("catalog:model", detector.pk)
    return _shown(request, "catalog/upload_model.html", form, settings.MAX_MODEL_BYTES)


@login_required
@require_http_methods(["GET", "POST"])
def upload_data_set(request: HttpRequest) -> HttpResponse:
    """The upload form; a stored data set's page follows, where its check is watched."""
    form = DataSetForm(request.POST or None, request.FILES or None)
    data_set = _stored(request, form, services.upload_data_set)
    if data_set is not None:
        return redirect("catalog:data-set", data_set.pk)
    return _shown(request, "catalog/upload_data_set.html", form, settings.MAX_DATA_SET_BYTES)


@require_safe
@gzip_page
def model(request: HttpRequest, model_id: str) -> HttpResponse:
    """A model: its check while it lasts, then what was found in it."""
    return render(request, "catalog/model.html", _model(request, model_id))


@require_safe
def model_state(request: HttpRequest, model_id: str) -> HttpResponse:
    """The part of the model's page that changes while it is checked."""
    return render(request, "catalog/_model_state.html", _model(request, model_id))


@require_safe
def data_set(request: HttpRequest, data_set_id: str) -> HttpResponse:
    """A data set: its check while it lasts, then its splits and classes."""
    return render(request, "catalog/data_set.html", _data_set(request, data_set_id))


@require_safe
def data_set_state(request: HttpRequest, data_set_id: str) -> HttpResponse:
    """The part of the data set's page that changes while it is checked."""
    return render(request, "catalog/_data_set_state.html", _data_set(request, data_set_id))


@require_safe
@cache_control(private=True, max_age=86_400, immutable=True)
def thumbnail(request: HttpRequest, data_set_id: str, number: int) -> FileResponse:
    """A small picture of the data set, for whoever may see it."""
    found = get_object_or_404(DataSet.objects.visible_to(request.user), pk=data_set_id)
    if not (found.is_ready and 0 <= number < len(found.thumbnails)):
        raise Http404(f"data set {data_set_id} has no picture {number}")
    try:
        file = default_storage.open(found.thumbnails[number]["file"])
    except FileNotFoundError:
        raise Http404(f"picture {number} of data set {data_set_id} is gone") from None
    return FileResponse(file, content_type="image/webp")


def _stored(request: HttpRequest, form: UploadForm, store: Callable[..., Stored]) -> Stored | None:
    """What ``store`` made of a valid form; None where the form must be shown (again)."""
    if request.method != "POST" or not form.is_valid():
        return None
    try:
        return store(
            owner=signed_in(request),
            file=form.cleaned_data["file"],
            name=form.cleaned_data["name"],
            visibility=form.cleaned_data["visibility"],
        )
    except TooOften as error:
        form.add_error("file", str(error))
        form.wait_s = error.wait_s
    except Refused as error:
        form.add_error("file", str(error))
    return None


def _shown(request: HttpRequest, template: str, form: UploadForm, limit: int) -> HttpResponse:
    """The form's page, with the status that its errors mean."""
    answer = render(request, template, {"form": form, "limit": limit})
    if form.wait_s is not None:
        answer.status_code = 429
        answer.headers["Retry-After"] = str(form.wait_s)
    elif form.errors:
        answer.status_code = 422
    return answer


def _model(request: HttpRequest, model_id: str) -> dict[str, object]:
    visible = Detector.objects.visible_to(request.user).select_related("owner", "job")
    found = get_object_or_404(visible, pk=model_id)
    sites = [
        DrawnSite(site["path"], site["activation"], tuple(site["shape"]) if site["shape"] else None)
        for site in found.sites
    ]
    return {
        "model": found,
        "sites": sites,
        "strip": svg.strip(sites) if sites else "",
        "counts": svg.counts([site.activation for site in sites]),
        "mine": found.is_owned_by(request.user),
        "entries": found.entries.listed().order_by("ratio")[:10] if found.is_ready else [],
    }


def _data_set(request: HttpRequest, data_set_id: str) -> dict[str, object]:
    visible = DataSet.objects.visible_to(request.user).select_related("owner", "job")
    found = get_object_or_404(visible, pk=data_set_id)
    return {
        "data_set": found,
        "splits": _splits(found),
        "classes": class_table(found),
        "pictures": pictures(found),
        "mine": found.is_owned_by(request.user),
    }


def _splits(data_set: DataSet) -> list[dict[str, object]]:
    return [
        {
            "name": split,
            "images": images,
            "boxes": sum(data_set.boxes.get(split, {}).values()),
        }
        for split, images in data_set.images.items()
    ]
