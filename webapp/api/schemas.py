"""What goes in and out of the API."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Self

from ninja import Field, Schema
from pydantic import ConfigDict, ModelWrapValidatorHandler, field_validator, model_validator

from webapp.accounts.choices import Scope
from webapp.catalog.choices import Visibility
from webapp.searches.choices import Augment, Recipe, Unit
from webapp.searches.services import DEFAULT_ACTIVATIONS
from webapp.webhooks.addresses import LONGEST


def _example(document: dict[str, Any]) -> ConfigDict:
    """Shown in the documentation; every figure in it is made up."""
    return ConfigDict(json_schema_extra={"example": document})


# Not a tuple: ninja would describe it as JSON Schema did before OpenAPI 3.1.
Interval = Annotated[list[float], Field(min_length=2, max_length=2, description="low, high")]


# What JSON can write and databases cannot store: NUL (PostgreSQL), lone surrogates (all).
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Body(Schema):
    """What is sent to us."""

    @model_validator(mode="wrap")
    @classmethod
    def _an_object(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, dict):  # ninja would look for attributes, and find defaults
            raise ValueError("is no JSON object")
        return handler(value)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and _UNSTORABLE.search(text):
                raise ValueError("holds the character NUL or half a character")
        return value


class Credentials(Body):
    username: str
    password: str
    name: str = Field("API", max_length=80, description="what to call the token")
    scopes: list[str] = Field(
        list(Scope.values), description="what it may: read; write (upload, search, cancel)"
    )

    model_config = _example(
        {"username": "alice", "password": "six-impossible-things", "name": "build server"}
    )


class Password(Body):
    password: str

    model_config = _example({"password": "six-impossible-things"})


class TokenOut(Schema):
    token: str = Field(description="shown this once; send it as Authorization: Bearer <token>")
    name: str
    prefix: str


class SignUp(Body):
    username: str = Field(min_length=3, max_length=150)
    password: str
    email: str = Field("", description="only for a forgotten password")

    model_config = _example({"username": "alice", "password": "six-impossible-things"})


class UserOut(Schema):
    username: str
    email: str = ""
    email_confirmed: bool = Field(False, description="by the link that was mailed to it")


class MailIn(Body):
    email: str = Field(max_length=254, description="empty: none")

    model_config = _example({"email": "alice@example.com"})


class MailToken(Body):
    token: str = Field(max_length=500, description="the last part of the mailed link's address")


class PasswordLink(Body):
    uid: str = Field(max_length=50, description="the last part but one of the link's address")
    token: str = Field(max_length=200, description="the last part")
    new_password: str

    model_config = _example({"uid": "MQ", "token": "made-up", "new_password": "before-tea"})


class NewPassword(Body):
    password: str = Field(description="the one of now")
    new_password: str

    model_config = _example({"password": "six-impossible-things", "new_password": "before-tea"})


class TokenRow(Schema):
    prefix: str = Field(description="what its text begins with, after actnas_")
    name: str
    scopes: list[str]
    created: datetime
    last_used: datetime | None


class QuotaOut(Schema):
    name: str = Field(
        description="stored_bytes, searches_at_once, searches_a_day or device_s_a_day"
    )
    unit: str = Field(description="bytes, searches or s")
    used: int = Field(description="at once, or within the last 24 hours")
    allowed: int | None = Field(description="null: no limit")


class JobOut(Schema):
    state: str
    fraction: float = Field(description="0 to 1")
    message: str
    position: int | None = Field(description="1 for the next of its queue; null when not queued")


class Site(Schema):
    path: str
    activation: str
    shape: list[int] | None = Field(description="channels, height, width")


class UploadOut(Schema):
    id: str
    name: str
    file_name: str
    sha256: str
    size: int = Field(description="bytes")
    state: str = Field(description="uploaded, validating, ready, refused")
    reason: str = Field(description="why it was refused")
    visibility: str
    created: datetime
    job: JobOut | None = None


class ModelOut(UploadOut):
    kind: str = Field(description="pt, yaml or onnx; empty until checked")
    family: str
    imgsz: int | None = Field(description="pixels a side")
    has_weights: bool
    classes: list[str] = Field(description="class names, by index")
    sites: list[Site]


class DataSetOut(UploadOut):
    version: str = Field(description="sha256 over its content; empty until checked")
    classes: list[str]
    images: dict[str, int] = Field(description="images a split")
    boxes: dict[str, dict[str, int]] = Field(description="{split: {class index: boxes}}")


class BoxOut(Schema):
    label: str
    x: float = Field(description="left edge, pixels of the picture")
    y: float = Field(description="upper edge")
    width: float
    height: float


class PictureOut(Schema):
    url: str
    split: str
    width: int
    height: int
    boxes: list[BoxOut]


class TargetOut(Schema):
    id: str
    title: str
    hardware: str
    runtime: str
    precision: str
    kind: str = Field(description="measured, modelled or emulated")
    memory_unit: str
    memory: str = Field(description="what the memory figure means")
    notes: str
    verified: bool = Field(description="whether such hardware has passed the target's tests")
    offered: bool = Field(description="whether a device in service offers it now")


class DeviceOut(Schema):
    slug: str
    name: str
    host: str
    model: str
    targets: list[str]
    transport: str
    in_service: bool = Field(description="whether its health lets it measure for searches")
    state: str = Field(description="idle, leased or running")
    health: str = Field(description="unknown, good, noisy, bad, maintenance or retired")
    health_reason: str
    queued: int = Field(description="measurements that wait for it")


class CheckOut(Schema):
    at: datetime
    ratio: float = Field(description="of a model to itself")
    ratio_ci: Interval


class NoiseOut(Schema):
    target: str
    reach: float | None = Field(
        description="95th percentile of |ratio - 1| over the latest of them"
    )
    checks: list[CheckOut] = Field(description="from old to new")


class HealthCheckOut(CheckOut):
    cause: str = Field(description="why it was made")
    target: str
    latency_ms: float | None = Field(description="of the reference model")
    drift: float | None = Field(
        description="latency over the median of its history, less 1; null: no history yet"
    )


class HealthChangeOut(Schema):
    at: datetime
    was: str
    now: str
    reason: str
    by: str = Field(description="an administrator, or a check")


class QueuedOut(Schema):
    """One job of a device's queue. Whose it is stays unsaid."""

    kind: str
    state: str
    queued_at: datetime | None
    heartbeat: datetime | None
    message: str


class DeviceDetail(DeviceOut):
    noise: list[NoiseOut] = Field(description="A/A checks of every target that it offers")
    health_checks: list[HealthCheckOut] = Field(description="from old to new")
    health_changes: list[HealthChangeOut] = Field(description="the newest first")
    queue: list[QueuedOut] = Field(description="what runs and waits, the next one first")
    best: list[str] = Field(description="ids of the best public entries measured on it")


class EstimateOut(Schema):
    target: str
    seconds: float | None = Field(description="null: no search like it has finished yet")
    searches: int = Field(description="how many finished ones that is the median of")


class SearchIn(Body):
    model: str = Field(description="id of an uploaded model")
    targets: list[str] = Field(min_length=1, description="ids; GET /targets lists them")
    data_set: str | None = Field(None, description="id of a data set; without one: a cost study")
    activations: list[str] = Field(list(DEFAULT_ACTIVATIONS), description="candidates")
    recipe: str = Recipe.SUPERNET.value
    max_latency_ratio: float | None = Field(
        None, description="goal, against the standard activation"
    )
    max_memory_ratio: float | None = Field(None, description="limit, against the same")
    max_map_loss: float | None = Field(None, description="limit, in mAP50-95 (0 to 1)")
    epochs: int | None = None
    distil: bool = Field(False, description="every arm also learns from a teacher")
    augment: str = Field(Augment.SHIFT.value, description="how training images are varied")
    cost_model: str = Field(
        "", description="how latency is predicted; empty: what suits recipe and target"
    )
    unit: str = Field(
        Unit.SITE.value, description="what chooses by itself: site, or block, whose sites agree"
    )
    time_limit_min: float | None = None
    seed: int = 0
    imgsz: int | None = Field(None, description="pixels a side; a multiple of 32")
    name: str = Field("", max_length=120)
    visibility: str = Visibility.PUBLIC.value

    model_config = _example(
        {
            "model": "3k9f0qz7v2xw",
            "data_set": "81mc4jd6yh5t",
            "targets": ["cpu-openvino-fp32", "npu-ethos-u55-128-int8"],
            "activations": ["relu", "silu", "hardswish", "leaky_relu"],
            "max_map_loss": 0.005,
            "max_latency_ratio": 0.9,
        }
    )


class StageOut(Schema):
    name: str
    title: str
    state: str
    fraction: float
    message: str
    seconds: float | None


class WaitingOut(JobOut):
    kind: str
    title: str


class SearchOut(Schema):
    id: str
    target: str
    device: str | None
    state: str = Field(description="queued, running, waiting, finished, failed, cancelled")
    fraction: float
    stage: str
    message: str
    reason: str = Field(description="why it failed or was cancelled")
    position: int | None
    stages: list[StageOut]
    waiting: list[WaitingOut] = Field(description="the training or measurement that it waits for")
    verdict: str | None = Field(None, description="one sentence, once finished")
    entries: list[str] = Field([], description="ids of the entries that it published")


class LogOut(Schema):
    id: int
    at: datetime
    target: str
    stage: str
    kind: str = Field(description="started, finished or log")
    message: str


class TriedOut(Schema):
    """A mix that a search tried on its way; what is not known yet is null."""

    assignment: dict[str, str] = Field(description="activation of every site")
    assignment_hash: str
    solver: str
    penalty: float = Field(description="the estimator's, by which the solver chose it")
    predicted_ratio: float = Field(description="latency against the standard activation")
    measured_ratio: float | None
    ratio_ci: Interval | None
    map50_95: float | None = Field(description="on val, with the search's weights")
    expected_loss: float | None = Field(description="after its own training")
    pareto: bool = Field(description="nothing beats it on both")
    chosen: bool


class CrossMixOut(Schema):
    target: str = Field(description="for which the mix was searched")
    arm: str
    assignment_hash: str


class CrossCellOut(Schema):
    mix_of: str = Field(description="target for which the mix was searched")
    target: str = Field(description="target that it was measured on")
    ratio: float | None = Field(description="to the reference arm there; null: not measured")
    ratio_ci: Interval | None = Field(description="null where modelled or not measured")
    kind: str | None = Field(description="measured, modelled or emulated")


class CrossOut(Schema):
    """The best mix of each target as the other targets see it."""

    request: str
    targets: list[str] = Field(description="with a finished search")
    mixes: list[CrossMixOut]
    cells: list[CrossCellOut]
    pending: list[str] = Field(description="targets on which a measurement is queued or runs")
    verdict: str = Field(description="whether it paid, in a sentence; empty: nothing to say yet")


class RequestOut(Schema):
    id: str
    name: str
    model: str | None = Field(description="null: private, and not yours")
    data_set: str | None = Field(description="null: none, or private and not yours")
    is_cost_study: bool = Field(description="whether it has no data set")
    targets: list[str]
    activations: list[str]
    recipe: str
    max_latency_ratio: float | None
    max_memory_ratio: float | None
    max_map_loss: float | None
    epochs: int | None
    distil: bool
    augment: str
    cost_model: str
    unit: str
    time_limit_min: float | None
    seed: int
    imgsz: int | None
    visibility: str
    created: datetime
    state: str = Field(description="finished once every search has ended; else running")
    searches: list[SearchOut]


class EntryOut(Schema):
    id: str
    search: str
    request: str
    name: str
    arm: str
    owner: str
    target: str
    kind: str
    device_model: str
    data_set: str | None = Field(description="null: private, and not yours")
    data_set_version: str = Field(description="sha256 over its content")
    imgsz: int
    family: str
    rank: int | None = Field(description="among equals of target, device, data set, image size")
    map50: float
    map50_95: float
    map_ci: Interval | None
    loss: float | None
    loss_ci: Interval | None
    latency_ms: float
    latency_ratio: float
    ratio_ci: Interval | None
    claim: str = Field(description="faster, slower or same: what the ratio allows to be said")
    noise_floor: float | None = Field(description="no ratio this close to 1 is called faster")
    noisy: bool = Field(description="whether its lease told a model from itself, twice")
    ratio_to_uploaded: float | None
    memory: float | None
    memory_unit: str
    memory_ratio: float | None
    assignment: dict[str, str]
    assignment_hash: str
    file_sha256: str
    files: list[str] = Field(description="names for /entries/{id}/files/{name}")
    measured_file: str | None = Field(description="which of them the figures are of")
    baseline_file: str | None = Field(description="which of them its ratio counts from")
    baseline_sha256: str | None
    verdict: str
    sentence: str
    is_choice: bool = Field(description="whether the verdict names this entry's arm")
    notes: list[str]
    withdrawn: datetime | None
    withdrawn_reason: str
    created: datetime


class EntryDetail(EntryOut):
    arms: list[dict[str, Any]] = Field(description="every arm of the search, as in result.json")


class WithdrawIn(Body):
    reason: str = Field(max_length=300, description="stays on the entry's page")

    model_config = _example({"reason": "the data set had duplicates"})


class SnapshotIn(Body):
    """The filters of the list that is kept; the same as GET /leaderboard takes."""

    target: str = ""
    device_model: str = ""
    data_set: str = ""
    imgsz: int | None = None
    family: str = ""
    kind: str = ""
    owner: str = ""
    q: str = ""
    order: str = ""

    model_config = _example({"target": "cpu-openvino-fp32", "family": "YOLOv8n"})


class SnapshotOut(Schema):
    id: str
    title: str
    is_ranking: bool
    created: datetime
    url: str = Field(description="its page; the address stays")
    files: dict[str, str] = Field(description="{csv, parquet, json: address}, once written")
    job: JobOut | None


class ReferenceOut(Schema):
    """One activation at every site of a well-known model: no file, no mAP, in no ranking."""

    family: str
    imgsz: int
    target: str
    device_model: str
    activation: str
    kind: str
    latency_ms: float
    ratio: float = Field(description="latency against SiLU at every site")
    ratio_ci: Interval | None
    ratio_one_table: float | None = Field(description="Ethos-U: with SiLU as one table")
    memory: float | None
    memory_unit: str
    measured: datetime


class RankingOut(Schema):
    """Only entries that agree in all of this are ranked with each other."""

    target: str
    kind: str
    device_model: str
    data_set_version: str
    data_set_name: str = Field(description="what it is called to you")
    imgsz: int
    entries: int


class SamplesOut(Schema):
    entry: str
    target: str
    unit: str = Field(description="ms")
    arms: dict[str, list[list[float]]] = Field(description="{arm: blocks of samples}, in order")


class Page(Schema):
    count: int = Field(description="entries of the whole list")
    count_is_exact: bool = Field(description="false: there are more, and nobody counted on")
    page: int
    pages: int = Field(description="that can be asked for by number")
    next: str | None = Field(description="cursor of the next page; null on the last one")
    is_ranking: bool = Field(description="whether all are comparable, so that ranks mean something")
    entries: list[EntryOut]


class WebhookIn(Body):
    url: str = Field(max_length=LONGEST, description="https, at a public address")

    model_config = _example({"url": "https://build.example/hooks/actnas"})


class WebhookOut(Schema):
    id: str
    url: str
    failures: int = Field(description="deliveries that failed in a row")
    switched_off: datetime | None = Field(
        description="since when, after 20 failures in a row; a test that arrives switches it on"
    )
    created: datetime


class WebhookSecret(WebhookOut):
    secret: str = Field(description="signs what is sent; shown this once")


class AttemptOut(Schema):
    at: datetime
    status: int | None = Field(description="of the HTTP answer; null where none came")
    error: str
    seconds: float


class DeliveryOut(Schema):
    id: str
    event: str = Field(description="search.finished, search.failed, search.cancelled or test")
    search: str | None
    state: str = Field(description="pending, delivered or failed")
    attempts: list[AttemptOut]
    not_before: datetime | None = Field(description="when the next attempt is due")
    created: datetime
