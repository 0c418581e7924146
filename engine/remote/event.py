"""What a webhook's body says."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from engine.documents import Document

Name = Literal["search.finished", "search.failed", "search.cancelled", "test"]


class Event(Document):
    """One search has ended, or (``test``) nothing has and its owner tries the webhook."""

    schema_: Literal["actnas.webhook/1"] = Field("actnas.webhook/1", alias="schema")
    event: Name
    delivery: str = Field(description="its id; the same in every attempt to deliver it")
    time: datetime = Field(description="when it happened")
    request: str | None = Field(None, description="id for /searches/{id}")
    search: str | None = Field(None, description="id for /searches/{id}/result")
    target: str | None = None
    state: Literal["finished", "failed", "cancelled"] | None = None
    verdict: str | None = Field(None, description="one sentence, of a finished search")
    reason: str = Field("", description="why it failed or was cancelled, in one line")
    entries: list[str] = Field([], description="ids of the entries that it published")
    page: str = Field(description="address of the page about it")
    api: str = Field(description="address of the same in the API")
