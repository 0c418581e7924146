"""A receiver that notes what it gets, and a site that may send to this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from pytest_django import Settings

from tests.browser import factories
from tests.serving import Quiet, serving
from tests.webapp.conftest import People
from webapp.searches.models import Search

TARGET = "cpu-openvino-fp32"


@dataclass
class Receiver:
    """A real HTTP server. It answers with ``statuses`` in turn, the last one for ever after.

    ``got`` has the path, the headers and the body of each request.
    """

    url: str
    statuses: list[int] = field(default_factory=lambda: [200])
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def next_status(self) -> int:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.path, dict(self.headers), body))
            status = found.next_status()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{found.url}elsewhere")
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"secret")

        do_GET = do_POST

    with serving(Handler) as url:
        found = Receiver(f"{url}/")
        yield found


@pytest.fixture
def private(settings: Settings) -> None:
    """The site may send to this machine, over http."""
    settings.WEBHOOKS_PRIVATE = True


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """So may the workers."""
    return {**environment, "ACTNAS_WEBHOOKS_PRIVATE": "1"}


@pytest.fixture
def search(people: People) -> Search:
    """A running search of the owner's."""
    return running(people)


def running(people: People) -> Search:
    cpu = factories.pool()[0]
    asked = factories.request(
        people.owner,
        factories.detector(people.owner),
        factories.data_set(people.owner),
        name="Tea",
        target_ids=[TARGET],
    )
    return factories.running_search(asked, TARGET, cpu)
