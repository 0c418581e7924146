"""docs/schemas says what the types say, and real documents keep to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from devices.assignment import Assignment
from devices.protocol import Arm, File, MeasureJob
from engine import schemas
from engine.documents import AssignmentDocument
from engine.summary import Summary, SummaryTarget
from tests.engine import builders

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"

BENCHMARKS = FOLDER.parent / "benchmarks"


def published(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.schema.json").read_text())


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(published(name))


@pytest.mark.parametrize("name", sorted(schemas.DOCUMENTS))
def test_the_published_schema_is_the_generated_one(name: str) -> None:
    assert published(name) == schemas.build(name), "run: python -m engine.schemas"
    jsonschema.Draft202012Validator.check_schema(published(name))
    assert published(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_result_keeps_to_its_schema() -> None:
    document = builders.result().model_dump(mode="json")
    validator("result").validate(document)
    assert document["schema"] == "actnas.result/1"
    del document["verdict"]
    with pytest.raises(jsonschema.ValidationError, match="'verdict' is a required property"):
        validator("result").validate(document)


@pytest.mark.parametrize(
    ("name", "files"),
    [("numbers", ("engine", "measurement", "load")), ("uniform", ("targets",))],
)
def test_what_the_benchmarks_wrote_keeps_to_its_schema(name: str, files: tuple[str, ...]) -> None:
    for file in files:
        document = json.loads((BENCHMARKS / f"{file}.json").read_text())
        validator(name).validate(document)
        assert document["rows"]


def test_a_summary_keeps_to_its_schema() -> None:
    summary = Summary(
        machine={"cpu": "x"},
        versions={"torch": "2"},
        targets={"cpu-openvino-fp32": SummaryTarget.of(builders.result())},
    )
    validator("summary").validate(summary.model_dump(mode="json"))
    arm = summary.model_dump(mode="json")["targets"]["cpu-openvino-fp32"]["arms"][0]
    assert list(arm) == [
        "name",
        "assignment",
        "file_sha256",
        "map50",
        "map50_95",
        "map50_95_ci",
        "loss",
        "latency_ms",
        "latency_ratio",
        "ratio_ci",
        "memory",
        "memory_unit",
    ]


def test_an_assignment_keeps_to_its_schema() -> None:
    document = json.loads(Assignment.uniform(["a", "b"], "relu").to_json())
    validator("assignment").validate(document)
    assert AssignmentDocument.model_validate(document).hash == document["hash"]
    with pytest.raises(jsonschema.ValidationError):
        validator("assignment").validate({**document, "choices": [["a"]]})


def test_a_job_keeps_to_its_schema() -> None:
    file = File(path="model.onnx", sha256="0" * 64)
    job = MeasureJob(id="1", target="t", arms=[Arm(name="a", file=file)], baseline="a")
    validator("job").validate(job.model_dump(mode="json"))
    validator("job").validate(
        {"id": "1", "target": "t", "baseline": "a", "arms": [{"name": "a", "file": dict(file)}]}
    )
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        validator("job").validate({**job.model_dump(mode="json"), "shell": "rm"})
