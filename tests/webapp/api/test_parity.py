"""What a person does with a form or reads on a page, the API offers, and its client calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.remote import Client
from tests.browser.pages import PAGES
from tests.serving import Quiet, serving
from tests.webapp import security_world
from tests.webapp.security_world import OWNER, World
from webapp.api.api import api

# The page's form -> what a script calls instead ("METHOD path of the OpenAPI document"), or, as a
# sentence, why it needs nothing.
FORMS = {
    "accounts/sign-up/": "POST /users",
    "accounts/login/": "POST /tokens",
    "accounts/logout/": "A token has no session to end; DELETE /tokens/{prefix} ends the token.",
    "accounts/password/": "PUT /users/me/password",
    "accounts/email/": "PUT /users/me/email",
    "accounts/email/send/": "PUT /users/me/email",  # with the same address
    "accounts/email/confirm/<str:token>/": "POST /users/email-confirmations",
    "accounts/forgotten/": "POST /users/forgotten-password",
    "accounts/forgotten/<uidb64>/<token>/": "POST /users/new-password",
    "accounts/delete/": "DELETE /users/me",
    "accounts/tokens/": "POST /tokens",
    "accounts/tokens/<int:token_id>/revoke/": "DELETE /tokens/{prefix}",
    "accounts/webhooks/": "POST /webhooks",
    "accounts/webhooks/<slug:webhook_id>/test/": "POST /webhooks/{webhook_id}/test",
    "accounts/webhooks/<slug:webhook_id>/secret/": "POST /webhooks/{webhook_id}/secret",
    "accounts/webhooks/<slug:webhook_id>/delete/": "DELETE /webhooks/{webhook_id}",
    "models/upload/": "POST /models",
    "data-sets/upload/": "POST /data-sets",
    "searches/new/": "POST /searches",
    "searches/<str:request_id>/cancel/": "POST /searches/{request_id}/cancel",
    "searches/<str:request_id>/cross/": "POST /searches/{request_id}/cross",
    **{
        f"searches/<str:request_id>/<str:search_id>/{action}/": (
            "POST /searches/{request_id}/targets/{target}/{action}"
        )
        for action in ("cancel", "pause", "resume", "retry")
    },
    "snapshots/": "POST /leaderboard/snapshots",
    "entries/<str:entry_id>/withdraw/": "POST /entries/{entry_id}/withdraw",
}
# The same for what pages show.
READS = {
    "": "GET /leaderboard",
    "entries/<str:entry_id>/": "GET /entries/{entry_id}",
    "compare/": "GET /entries/{entry_id}",
    "snapshots/<str:snapshot_id>/": "GET /leaderboard/snapshots/{snapshot_id}",
    "method/": "It is prose.",
    "references/": "GET /references",
    "devices/": "GET /devices",
    "devices/<slug:slug>/": "GET /devices/{slug}",
    "searches/": "GET /searches",
    "searches/new/": "GET /searches/estimate",
    "searches/<str:request_id>/": "GET /searches/{request_id}",
    "searches/<str:request_id>/<str:search_id>/figures/": "GET /searches/{search_id}/result",
    "searches/<str:request_id>/<str:search_id>/against/<str:other_id>/": (
        "GET /searches/{search_id}/result"
    ),
    "models/<str:model_id>/": "GET /models/{model_id}",
    "data-sets/<str:data_set_id>/": "GET /data-sets/{data_set_id}",
    "accounts/": "GET /users/me/quotas",
    "accounts/tokens/": "GET /tokens",
    "accounts/webhooks/": "GET /webhooks",
    "accounts/webhooks/<slug:webhook_id>/": "GET /webhooks/{webhook_id}/deliveries",
    "api/v1/docs": "It is drawn from the OpenAPI document.",
    **{
        f"accounts/{page}": "It shows nothing but its form."
        for page in (
            *("sign-up/", "login/", "password/", "email/", "delete/", "forgotten/"),
            *("forgotten/sent/", "forgotten/<uidb64>/<token>/", "email/confirm/<str:token>/"),
        )
    },
    "models/upload/": "It shows nothing but its form.",
    "data-sets/upload/": "It shows nothing but its form.",
}


def operations() -> set[str]:
    """Every operation of the OpenAPI document, without the API's own prefix."""
    return {
        f"{verb.upper()} {path.removeprefix('/api/v1')}"
        for path, found in api.get_openapi_schema()["paths"].items()
        for verb in ("get", "post", "put", "patch", "delete")
        if verb in found
    }


def is_call(answer: str) -> bool:
    return re.match("(GET|POST|PUT|DELETE) /", answer) is not None


@pytest.mark.django_db
def test_every_form_has_its_call_or_a_reason() -> None:
    """The administration is left out: docs/decisions.md says why."""
    world = security_world.build()
    taking = {
        route
        for route in security_world.routes()
        if not route.startswith(("api/", "admin/")) and takes_forms(world, route)
    }
    assert taking == set(FORMS)
    assert {call for call in FORMS.values() if is_call(call)} <= operations()


def takes_forms(world: World, route: str) -> bool:
    path = security_world.filled(route, world.ids)
    return world.client(OWNER).post(path).status_code != 405


def test_every_page_has_its_call_or_a_reason() -> None:
    shown = {visit.route for visit in PAGES}
    assert {route for route in READS if route in shown} == shown
    assert {call for call in READS.values() if is_call(call)} <= operations()


# Operation -> the client's method that calls it.
CALLS: dict[str, Callable[[Client, Path], object]] = {
    "POST /users": lambda site, _: site.sign_up(username="alice", password="p"),
    "POST /tokens": lambda site, _: site.make_token(username="alice", password="p", name="x"),
    "GET /tokens": lambda site, _: list(site.tokens()),
    "DELETE /tokens/{prefix}": lambda site, _: site.revoke_token("0f3a9c2b"),
    "GET /users/me": lambda site, _: site.me(),
    "GET /users/me/quotas": lambda site, _: site.quotas(),
    "PUT /users/me/email": lambda site, _: site.set_email("a@b.example"),
    "POST /users/email-confirmations": lambda site, _: site.confirm_email("t"),
    "PUT /users/me/password": lambda site, _: site.set_password(password="p", new_password="q"),
    "POST /users/forgotten-password": lambda site, _: site.forgotten_password("a@b.example"),
    "POST /users/new-password": lambda site, _: site.new_password(
        uid="u", token="t", new_password="q"
    ),
    "DELETE /users/me": lambda site, _: site.delete_account(password="p"),
    "POST /models": lambda site, file: site.upload(file),
    "GET /models": lambda site, _: list(site.uploads("models")),
    "GET /models/{model_id}": lambda site, _: site.upload_state("models", "m"),
    "POST /data-sets": lambda site, file: site.upload(file, kind="data-sets"),
    "GET /data-sets": lambda site, _: list(site.uploads("data-sets")),
    "GET /data-sets/{data_set_id}": lambda site, _: site.upload_state("data-sets", "d"),
    "GET /data-sets/{data_set_id}/pictures": lambda site, _: site.pictures("d"),
    "GET /targets": lambda site, _: site.targets(),
    "GET /devices": lambda site, _: site.devices(),
    "GET /devices/{slug}": lambda site, _: site.device("looking-glass"),
    "POST /searches": lambda site, _: site.search({}),
    "GET /searches": lambda site, _: list(site.requests()),
    "GET /searches/estimate": lambda site, _: site.estimate(["t"]),
    "GET /searches/{request_id}": lambda site, _: site.request("r"),
    "GET /searches/{request_id}/log": lambda site, _: list(site.log("r")),
    "GET /searches/{request_id}/cross": lambda site, _: site.cross("r"),
    "POST /searches/{request_id}/cross": lambda site, _: site.measure_cross("r"),
    "POST /searches/{request_id}/cancel": lambda site, _: site.cancel("r"),
    "POST /searches/{request_id}/pause": lambda site, _: site.pause("r"),
    "POST /searches/{request_id}/resume": lambda site, _: site.resume("r"),
    "POST /searches/{request_id}/retry": lambda site, _: site.retry("r"),
    "POST /searches/{request_id}/targets/{target}/{action}": lambda site, _: site.pause(
        "r", target="t"
    ),
    "GET /searches/{search_id}/tried": lambda site, _: site.tried("s"),
    "GET /searches/{search_id}/result": lambda site, _: site.result("s"),
    "GET /leaderboard": lambda site, _: list(site.entries()),
    "GET /leaderboard/rankings": lambda site, _: site.rankings(),
    "GET /references": lambda site, _: list(site.references()),
    "POST /leaderboard/snapshots": lambda site, _: site.take_snapshot(target="t"),
    "GET /leaderboard/snapshots/{snapshot_id}": lambda site, _: site.snapshot("s"),
    "GET /entries/{entry_id}": lambda site, _: site.entry("e"),
    "POST /entries/{entry_id}/withdraw": lambda site, _: site.withdraw("e", reason="why"),
    "GET /entries/{entry_id}/samples": lambda site, _: site.samples("e"),
    "GET /entries/{entry_id}/files/{name}": lambda site, file: site.download(
        entry="e", name="model.onnx", into=file.with_name("got")
    ),
    "POST /webhooks": lambda site, _: site.make_webhook("https://a.example"),
    "GET /webhooks": lambda site, _: list(site.webhooks()),
    "GET /webhooks/{webhook_id}": lambda site, _: site.webhook("w"),
    "DELETE /webhooks/{webhook_id}": lambda site, _: site.delete_webhook("w"),
    "POST /webhooks/{webhook_id}/secret": lambda site, _: site.renew_secret("w"),
    "POST /webhooks/{webhook_id}/test": lambda site, _: site.test_webhook("w"),
    "GET /webhooks/{webhook_id}/deliveries": lambda site, _: list(site.deliveries("w")),
}
# Operation -> why no method calls it.
UNCALLED: dict[str, str] = {}


def test_the_client_has_a_call_for_every_operation(tmp_path: Path) -> None:
    """Each was seen to send what the OpenAPI document describes."""
    assert set(CALLS) | set(UNCALLED) == operations()
    file = tmp_path / "model.onnx"
    file.write_bytes(b"model")
    with recording() as (url, sent):
        for operation, call in CALLS.items():
            sent.clear()
            with Client(url, token="actnas_x_y") as site:
                call(site, file)
            verb, _, path = operation.partition(" ")
            wanted = re.compile(f"{verb} /api/v1{re.sub(r'{.*?}', '[^/]+', path)}")
            assert wanted.fullmatch(sent[0]), (operation, sent)


@contextmanager
def recording() -> Iterator[tuple[str, list[str]]]:
    """A server that says yes to everything, and what it was asked."""
    sent: list[str] = []
    yes = json.dumps({"entries": [], "next": None, "token": "actnas_x_y"}).encode()

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sent.append(f"{self.command} {urlsplit(self.path).path}")
            self.send_response(200)
            self.send_header("Content-Length", str(len(yes)))
            self.end_headers()
            self.wfile.write(yes)

        do_POST = do_PUT = do_DELETE = do_GET

    with serving(Handler) as url:
        yield url, sent
