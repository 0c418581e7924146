"""PostgreSQL is restarted under a search: a server of this test's own, and a site that uses it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults.conftest import NPU, Site, whole_site
from tests.faults.whole import nothing_lost

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


class Server:
    """A PostgreSQL that listens on a socket in a folder of its own, and on no port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bin = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self._data = folder / "data"
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._run("initdb", "-U", "actnas", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")

    @property
    def url(self) -> str:
        return f"postgresql://actnas@{quote(str(self.folder), safe='')}/postgres"

    def start(self) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"
        self._control("start", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """As if its machine had lost power: nobody is asked, nothing is finished."""
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-w", "-s", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / program), "-D", str(self._data), *arguments],
            cwd="/",
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            check=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # Below /tmp itself: the path of a socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="actnas-pg-", dir="/tmp") as folder:
        made = Server(Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with whole_site(tmp_path_factory.mktemp("on-postgres"), database=server.url) as found:
        yield found


@pytest.mark.parametrize("kind", ["search", "measure"])
def test_it_is_away_for_a_while(site: Site, server: Server, kind: str) -> None:
    site.until(site.is_ready)
    search = site.ask(seed=41 if kind == "search" else 42, target=NPU)
    site.until(lambda: site.running(kind))
    server.stop()
    site.until(lambda: not site.is_ready(), seconds=20)  # and says so
    server.start()
    assert site.end_of(search) == ("finished", "")
    nothing_lost(site, search)
