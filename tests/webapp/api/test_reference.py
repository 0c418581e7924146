"""The API's page and its examples."""

from __future__ import annotations

from html import unescape
from typing import Any

import jsonschema
import pytest
from django.test import Client

from tests.webapp.conftest import API
from webapp.api.api import api

DOCUMENT: dict[str, Any] = dict(api.get_openapi_schema())
SCHEMAS = DOCUMENT["components"]["schemas"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_document_has_an_example_that_it_accepts(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["example"]
    jsonschema.validate(
        schema["example"],
        {**schema, "components": DOCUMENT["components"]},
        format_checker=jsonschema.FormatChecker(),
    )


@pytest.mark.django_db
def test_the_page_names_every_operation_and_needs_no_script() -> None:
    text = unescape(Client().get(f"{API}/docs").content.decode())
    for path, operations in DOCUMENT["paths"].items():
        for verb in operations:
            if verb in {"get", "post", "put", "delete"}:
                assert f"<strong>{verb.upper()}</strong> {path}</code>" in text
    for head in ("Errors", "Tokens", "Pages", "Repeats", "Reads", "Webhooks", "Limits"):
        assert f"<dt>{head}</dt>" in text
    main = text[text.index("<main") : text.index("</main")]
    assert "<script" not in main
