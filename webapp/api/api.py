"""The public HTTP API, version 1."""

from __future__ import annotations

from ninja import NinjaAPI

from webapp.api import problems
from webapp.api.routers import accounts, leaderboard, pool, searches, uploads

api = NinjaAPI(
    title="ActNAS Bench",
    version="1",
    description=(
        "Upload a YOLO detector, name the targets it must run on, and get back the same detector "
        "with the best activation function at every layer, with the evidence. Everything that "
        "runs takes time: poll the state of what you made. Errors are problem+json."
    ),
)
problems.install(api)
for part in (accounts, uploads, pool, searches, leaderboard):
    api.add_router("", part.router)
