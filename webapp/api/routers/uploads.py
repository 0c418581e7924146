"""Models and data sets."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import File, Form, Router, Status
from ninja.files import UploadedFile

from webapp.api import documents, lists, schemas
from webapp.api.auth import ANYONE, SIGNED_IN, missing, user_of
from webapp.api.lists import CURSOR, EVERYONE, SIZE
from webapp.catalog import services
from webapp.catalog.choices import Visibility
from webapp.catalog.models import DataSet, Detector
from webapp.catalog.pictures import pictures as pictures_of

router = Router(tags=["uploads"])


@router.post("/models", response={201: schemas.ModelOut}, auth=SIGNED_IN)
def upload_model(
    request: HttpRequest,
    file: UploadedFile = File(...),
    name: str = Form(""),
    visibility: str = Form(Visibility.PRIVATE.value),
) -> Status[schemas.ModelOut]:
    """Upload a model (.pt, .yaml, .onnx) as multipart/form-data. A worker checks it: poll."""
    detector = services.upload_model(
        owner=user_of(request), file=file, name=name, visibility=visibility
    )
    return Status(201, documents.model(detector))


@router.get("/models", response=list[schemas.ModelOut], auth=SIGNED_IN)
def my_models(
    request: HttpRequest,
    response: HttpResponse,
    everyone: bool = EVERYONE,
    cursor: str = CURSOR,
    size: int = SIZE,
) -> list[schemas.ModelOut]:
    """Your models, the newest first. The Link header names the next page."""
    user = user_of(request)
    visible = Detector.objects.visible_to(user).select_related("job")
    owned = visible if everyone else visible.filter(owner=user)
    rows = lists.page(request, response, owned, cursor=cursor, size=size)
    return [documents.model(row) for row in rows]


@router.get("/models/{model_id}", response=schemas.ModelOut, auth=ANYONE)
def get_model(request: HttpRequest, model_id: str) -> schemas.ModelOut:
    """A model: its state, classes and sites."""
    rows = Detector.objects.visible_to(request.user).select_related("job")
    detector = rows.filter(pk=model_id).first()
    if detector is None:
        raise missing("model", model_id)
    return documents.model(detector)


@router.post("/data-sets", response={201: schemas.DataSetOut}, auth=SIGNED_IN)
def upload_data_set(
    request: HttpRequest,
    file: UploadedFile = File(...),
    name: str = Form(""),
    visibility: str = Form(Visibility.PRIVATE.value),
) -> Status[schemas.DataSetOut]:
    """Upload a zip in YOLO layout as multipart/form-data. A worker checks it; poll its state."""
    row = services.upload_data_set(
        owner=user_of(request), file=file, name=name, visibility=visibility
    )
    return Status(201, documents.data_set(row))


@router.get("/data-sets", response=list[schemas.DataSetOut], auth=SIGNED_IN)
def my_data_sets(
    request: HttpRequest,
    response: HttpResponse,
    everyone: bool = EVERYONE,
    cursor: str = CURSOR,
    size: int = SIZE,
) -> list[schemas.DataSetOut]:
    """Your data sets, the newest first. The Link header names the next page."""
    user = user_of(request)
    visible = DataSet.objects.visible_to(user).select_related("job")
    owned = visible if everyone else visible.filter(owner=user)
    rows = lists.page(request, response, owned, cursor=cursor, size=size)
    return [documents.data_set(row) for row in rows]


@router.get("/data-sets/{data_set_id}", response=schemas.DataSetOut, auth=ANYONE)
def get_data_set(request: HttpRequest, data_set_id: str) -> schemas.DataSetOut:
    """A data set: its state, classes, splits and boxes."""
    rows = DataSet.objects.visible_to(request.user).select_related("job")
    row = rows.filter(pk=data_set_id).first()
    if row is None:
        raise missing("data set", data_set_id)
    return documents.data_set(row)


@router.get("/data-sets/{data_set_id}/pictures", response=list[schemas.PictureOut], auth=ANYONE)
def pictures(request: HttpRequest, data_set_id: str) -> list[schemas.PictureOut]:
    """Thumbnails of the data set with the boxes on them."""
    row = DataSet.objects.visible_to(request.user).filter(pk=data_set_id).first()
    if row is None:
        raise missing("data set", data_set_id)
    return [documents.picture(request, row, one) for one in pictures_of(row)]
