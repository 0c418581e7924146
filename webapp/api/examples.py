"""Examples of the API's documents, made from their own schemas. Every figure is made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

# What fields of these names hold in examples; others get a plain value of their type.
_VALUES: dict[str, Any] = {
    "id": "3k9f0qz7v2xw",
    "request": "8d2m4x7c1vbn",
    "search": "5h6j7k8l9m0n",
    "entry": "3k9f0qz7v2xw",
    "model": "7q1w2e3r4t5y",
    "data_set": "81mc4jd6yh5t",
    "name": "Cheshire cat finder",
    "username": "alice",
    "owner": "alice",
    "email": "alice@example.com",
    "token": "actnas_0f3a9c2b_made-up",
    "prefix": "0f3a9c2b",
    "scopes": ["read", "write"],
    "file_name": "cheshire.pt",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "file_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "baseline_sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "data_set_version": "fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13",
    "size": 6_943_523,
    "visibility": "public",
    "family": "YOLOv8n",
    "imgsz": 320,
    "classes": ["grin", "paw"],
    "path": "model.0.act",
    "activation": "silu",
    "activations": ["relu", "silu", "hardswish", "leaky_relu"],
    "shape": [16, 160, 160],
    "target": "cpu-openvino-fp32",
    "mix_of": "npu-ethos-u55-128-int8",
    "targets": ["cpu-openvino-fp32", "npu-ethos-u55-128-int8"],
    "recipe": "supernet",
    "kind": "measured",
    "device": "looking-glass-cpu",
    "slug": "looking-glass-cpu",
    "host": "looking-glass",
    "device_model": "Looking-Glass CPU @ 1.0 GHz",
    "state": "finished",
    "stage": "candidates",
    "arm": "mix",
    "assignment": {"model.0.act": "relu", "model.1.act": "silu"},
    "assignment_hash": "0a1b2c3d4e5f",
    "ratio": 0.812,
    "latency_ratio": 0.812,
    "predicted_ratio": 0.808,
    "measured_ratio": 0.812,
    "ratio_ci": [0.806, 0.818],
    "latency_ms": 7.94,
    "map50": 0.871,
    "map50_95": 0.767,
    "map_ci": [0.741, 0.79],
    "loss": 0.002,
    "loss_ci": [-0.001, 0.005],
    "max_map_loss": 0.005,
    "max_latency_ratio": 0.9,
    "memory": 7.5,
    "memory_unit": "MiB",
    "files": ["mix.onnx", "assignment.json"],
    "measured_file": "mix.onnx",
    "baseline_file": "reference.onnx",
    "url": "https://bench.example/snapshots/3k9f0qz7v2xw/",
    "reason": "",
    "message": "",
}


def complete(components: dict[str, dict[str, Any]]) -> None:
    """Give every schema that has no example one, in place."""
    for schema in components.values():
        if "example" not in schema:
            schema["example"] = _of(schema, components, field="")


def _of(schema: Schema, components: Mapping[str, Schema], *, field: str) -> Any:
    if "$ref" in schema:
        found = components[schema["$ref"].rpartition("/")[2]]
        return found.get("example") or _of(found, components, field=field)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            kinds = [one for one in schema[several] if one.get("type") != "null"]
            return _of(kinds[0], components, field=field)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if field in _VALUES and _fits(_VALUES[field], kind, schema):
        return _VALUES[field]
    if kind == "object" or "properties" in schema:
        return {
            name: _of(one, components, field=name)
            for name, one in schema.get("properties", {}).items()
        }
    if kind == "array":
        item = _of(schema.get("items", {}), components, field="")
        return [item] * max(1, schema.get("minItems", 1))
    if kind == "string":
        return "2026-01-01T12:00:00Z" if schema.get("format") == "date-time" else ""
    return {"integer": 1, "number": 0.5, "boolean": False}.get(str(kind))


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}


def _fits(value: Any, kind: Any, schema: Schema) -> bool:
    """Whether the field's usual value is of the type that stands here; items that are documents
    of their own have their own example."""
    if not isinstance(value, _TYPES.get(str(kind), ())):
        return False
    return "$ref" not in schema.get("items", {})
