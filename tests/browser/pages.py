"""Every page of the site: where it is, and as whom it is looked at.

``tests/webapp/pages/test_every_page_is_visited.py`` holds this against the site's own routes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["owner", "stranger", "anonymous"]
NAMES: dict[Role, str] = {"owner": "alice", "stranger": "hatter"}


@dataclass(frozen=True)
class Visit:
    """One look at a page. ``route`` is its pattern among the site's routes."""

    name: str
    route: str
    path: str


PAGES = (
    Visit("leaderboard", "", "/?target=cpu-openvino-fp32"),
    Visit("leaderboard-all", "", "/?target=all"),
    Visit("leaderboard-nothing", "", "/?q=jabberwock"),
    Visit("entry-measured", "entries/<str:entry_id>/", "/entries/{measured}/"),
    Visit("entry-modelled", "entries/<str:entry_id>/", "/entries/{modelled}/"),
    Visit("entry-withdrawn", "entries/<str:entry_id>/", "/entries/{withdrawn}/"),
    Visit("compare", "compare/", "/compare/?entries={compared}"),
    Visit("compare-nothing", "compare/", "/compare/"),
    Visit("snapshot", "snapshots/<str:snapshot_id>/", "/snapshots/{snapshot}/"),
    Visit("method", "method/", "/method/"),
    Visit("references", "references/", "/references/"),
    Visit("devices", "devices/", "/devices/"),
    Visit("device", "devices/<slug:slug>/", "/devices/looking-glass-cpu/"),
    Visit("searches", "searches/", "/searches/"),
    Visit("search-new", "searches/new/", "/searches/new/"),
    Visit("search-running", "searches/<str:request_id>/", "/searches/{running}/"),
    Visit("search-finished", "searches/<str:request_id>/", "/searches/{finished}/"),
    Visit("search-crossed", "searches/<str:request_id>/", "/searches/{crossed}/"),
    Visit(
        "figures",
        "searches/<str:request_id>/<str:search_id>/figures/",
        "/searches/{crossed}/{search}/figures/",
    ),
    Visit(
        "against",
        "searches/<str:request_id>/<str:search_id>/against/<str:other_id>/",
        "/searches/{crossed}/{search}/against/{other}/",
    ),
    Visit("model", "models/<str:model_id>/", "/models/{model}/"),
    Visit("data-set", "data-sets/<str:data_set_id>/", "/data-sets/{data_set}/"),
    Visit("upload-model", "models/upload/", "/models/upload/"),
    Visit("upload-data-set", "data-sets/upload/", "/data-sets/upload/"),
    Visit("account", "accounts/", "/accounts/"),
    Visit("tokens", "accounts/tokens/", "/accounts/tokens/"),
    Visit("webhooks", "accounts/webhooks/", "/accounts/webhooks/"),
    Visit("webhook", "accounts/webhooks/<slug:webhook_id>/", "/accounts/webhooks/{webhook}/"),
    Visit("password", "accounts/password/", "/accounts/password/"),
    Visit("mail", "accounts/email/", "/accounts/email/"),
    Visit("mail-unknown", "accounts/email/confirm/<str:token>/", "/accounts/email/confirm/forged/"),
    Visit("delete", "accounts/delete/", "/accounts/delete/"),
    Visit("sign-in", "accounts/login/", "/accounts/login/"),
    Visit("sign-up", "accounts/sign-up/", "/accounts/sign-up/"),
    Visit("forgotten", "accounts/forgotten/", "/accounts/forgotten/"),
    Visit("forgotten-sent", "accounts/forgotten/sent/", "/accounts/forgotten/sent/"),
    Visit(
        "forgotten-unknown",
        "accounts/forgotten/<uidb64>/<token>/",
        "/accounts/forgotten/MQ/forged/",
    ),
    Visit("api", "api/v1/docs", "/api/v1/docs"),
    Visit("404", "", "/rabbit-hole/"),
)
STAFF = (
    Visit("administration", "admin/", "/admin/"),
    Visit("analysis", "admin/analysis/", "/admin/analysis/?days=90"),
)

# Routes that show no page of ours: why not.
NO_PAGES = {
    "livez": "for machines",
    "readyz": "for machines",
    "metrics": "for machines",
    "api/v1/openapi.json": "for machines",
    "source": "a download",
    "entries.<str:kind>": "a download",
    "points.json": "what a chart draws",
    "snapshots/": "takes a form",
    "snapshots/<str:snapshot_id>/files/": "part of a page",
    "snapshots/<str:snapshot_id>/entries.<str:kind>": "a download",
    "entries/<str:entry_id>/samples.json": "a download",
    "entries/<str:entry_id>/files/<str:name>": "a download",
    "entries/<str:entry_id>/withdraw/": "takes a form",
    "accounts/webhooks/<slug:webhook_id>/test/": "takes a form",
    "accounts/webhooks/<slug:webhook_id>/secret/": "takes a form",
    "accounts/webhooks/<slug:webhook_id>/delete/": "takes a form",
    "accounts/logout/": "takes a form",
    "accounts/password/changed/": "leads to another page",
    "accounts/email/send/": "takes a form",
    "accounts/tokens/<int:token_id>/revoke/": "takes a form",
    "models/<str:model_id>/state/": "part of a page",
    "data-sets/<str:data_set_id>/state/": "part of a page",
    "data-sets/<str:data_set_id>/<int:number>.webp": "a picture",
    "searches/new/estimate/": "part of a page",
    "searches/<str:request_id>/live/": "part of a page",
    "searches/<str:request_id>/cross/": "takes a form",
    "searches/<str:request_id>/cancel/": "takes a form",
    "searches/<str:request_id>/<str:search_id>/cancel/": "takes a form",
    "searches/<str:request_id>/<str:search_id>/pause/": "takes a form",
    "searches/<str:request_id>/<str:search_id>/resume/": "takes a form",
    "searches/<str:request_id>/<str:search_id>/retry/": "takes a form",
    "admin/analysis/again/": "takes a form",
    "admin/analysis/<int:days>/<slug:table>.csv": "a download",
}


def names_of(ids: dict[str, Any]) -> dict[str, str]:
    """What stands in the paths, from the ids that factories.populate printed."""
    return {
        "measured": ids["entries"]["cpu-openvino-fp32"][1],
        "modelled": ids["entries"]["npu-ethos-u55-128-int8"][1],
        "compared": ",".join(ids["entries"]["cpu-openvino-fp32"][:3]),
        **{name: key for name, key in ids.items() if name != "entries"},
    }
