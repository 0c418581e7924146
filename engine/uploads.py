"""What a site keeps of an upload: documents of plain types, and the checks that they fit.

The documents come from a process that read a stranger's file. Whoever takes one validates it again,
because that process may have been taken over by the file. Imports no torch: web workers read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.errors import BadDataSet, BadModel, UserError
from engine.text import odd_character

if TYPE_CHECKING:
    from engine.loading import Model

__all__ = ["DataSetFacts", "ModelFacts", "SiteFacts", "ThumbnailFacts", "data_set", "model"]

MAX_CLASSES = 2000
MAX_SITES = 5000
THUMBNAIL = r"^[0-9]{1,3}\.webp$"


def _plain(text: str) -> str:
    """``text``, if it can be stored and shown: no control characters, no halves of a character."""
    odd = odd_character(text)
    if odd is not None:
        raise ValueError(f"{text[:40]!r} holds the character {odd!r}")
    return text


Text = Annotated[str, AfterValidator(_plain)]
Side = Annotated[int, Field(ge=1, le=2**20)]
Length = Annotated[float, Field(allow_inf_nan=False)]
Box = tuple[Annotated[int, Field(ge=0)], Length, Length, Length, Length]
Names = Annotated[
    list[Annotated[Text, Field(max_length=200)]], Field(min_length=1, max_length=MAX_CLASSES)
]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SiteFacts(_Facts):
    """One activation site; ``shape`` is [channels, height, width] where it is known."""

    path: Annotated[Text, Field(max_length=500)]
    activation: Annotated[Text, Field(max_length=40)]
    shape: Annotated[list[Annotated[int, Field(ge=0, le=2**31)]], Field(max_length=8)] | None


class ModelFacts(_Facts):
    """A model that can be searched."""

    kind: Literal["pt", "yaml", "onnx"]
    family: Annotated[Text, Field(max_length=40)]
    imgsz: Side
    weights: bool
    names: Names
    sites: Annotated[list[SiteFacts], Field(max_length=MAX_SITES)]


class ThumbnailFacts(_Facts):
    """See engine.thumbnails.Thumbnail."""

    file: Annotated[str, Field(pattern=THUMBNAIL)]
    split: Literal["train", "val", "test"]
    image: Annotated[Text, Field(max_length=300)]
    width: Side
    height: Side
    boxes: Annotated[list[Box], Field(max_length=200)]
    all_boxes: Annotated[int, Field(ge=0)]


class DataSetFacts(_Facts):
    """A data set that can be trained on; images and boxes are counts a split."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    names: Names
    images: Annotated[dict[Literal["train", "val", "test"], int], Field(min_length=1)]
    boxes: dict[Literal["train", "val", "test"], dict[Text, int]]
    notes: Annotated[list[Annotated[Text, Field(max_length=300)]], Field(max_length=20)]
    thumbnails: Annotated[list[ThumbnailFacts], Field(max_length=100)]

    @model_validator(mode="after")
    def _boxes_have_names(self) -> Self:
        largest = max((box[0] for one in self.thumbnails for box in one.boxes), default=0)
        if largest >= len(self.names):
            raise ValueError(f"a box is of class {largest}; there are {len(self.names)}")
        return self


def model(path: Path) -> ModelFacts:
    """What is in the model file ``path``; nothing in it is run.

    Raises:
        BadModel: it cannot be used; BadRequest: its ONNX graph cannot.
    """
    from engine import loading

    found = loading.load(path)
    try:
        return ModelFacts(
            kind=found.kind,
            family=found.family[:40],
            imgsz=found.imgsz,
            weights=found.weights,
            names=[found.names[index] for index in sorted(found.names)],
            sites=_sites(found),
        )
    except ValidationError as error:
        raise BadModel(f"{path.name}: {_line(error)}") from None


def _sites(found: Model) -> list[SiteFacts]:
    if found.net is not None:
        from engine import sites

        return [
            SiteFacts(path=site.path, activation=site.activation, shape=list(site.shape))
            for site in sites.find(found.net, imgsz=found.imgsz)
        ]
    from devices import graph

    assert found.onnx is not None  # a model is a net or a graph
    return [
        SiteFacts(
            path=site.key,
            activation=site.activation,
            shape=list(site.shape[-3:]) if site.shape else None,
        )
        for site in graph.find_sites(found.onnx)
    ]


def data_set(archive: Path, folder: Path, thumbnails: Path) -> DataSetFacts:
    """Unpack and check ``archive`` into the new ``folder``; small pictures into ``thumbnails``.

    Raises:
        BadDataSet: it cannot be used; nothing is left in ``folder``.
    """
    from engine import data, validation
    from engine import thumbnails as pictures

    info = validation.validate_archive(archive, folder, seed=0)
    made = pictures.make(data.open_data(folder), thumbnails)
    try:
        return DataSetFacts.model_validate(
            {
                "sha256": info.sha256,
                "names": [info.names[index] for index in sorted(info.names)],
                "images": info.images,
                "boxes": info.boxes,
                "notes": info.notes,
                "thumbnails": [picture.to_json() for picture in made],
            }
        )
    except ValidationError as error:
        raise BadDataSet(f"{archive.name}: {_line(error)}") from None


def _line(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"[:300]


KINDS: dict[str, type[UserError]] = {"model": BadModel, "data-set": BadDataSet}
