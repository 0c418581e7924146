"""A script's client and ``actnas remote`` against the running API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest
from pytest_django.live_server_helper import LiveServer

from engine import cli
from engine.remote import Client, SiteError, SiteRefused
from tests.browser import factories
from tests.serving import Quiet, serving
from tests.webapp.api.test_leaderboard import CPU, NPU, publish
from tests.webapp.conftest import People
from webapp.accounts.models import ApiToken
from webapp.catalog.models import Detector
from webapp.leaderboard.models import Snapshot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(
    live_server: LiveServer, people: People, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """Alice's client; the environment is what her shell holds."""
    _, token = ApiToken.objects.issue(user=people.owner, name="test")
    monkeypatch.setenv("ACTNAS_SITE", live_server.url)
    monkeypatch.setenv("ACTNAS_TOKEN", token)
    with Client(live_server.url, token=token) as client:
        yield client


def remote(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = cli.main(["remote", *map(str, arguments)])
    captured = capfd.readouterr()
    return status, captured.out, captured.err


def test_a_new_user_signs_up(live_server: LiveServer) -> None:
    with Client(live_server.url) as client:
        token = client.sign_up(username="scripted", password="a-curious-password-7")
    with Client(live_server.url, token=token) as again:
        assert {target["id"] for target in again.targets()} >= {CPU, NPU}


def test_the_leaderboard_is_a_table_over_all_pages(alice: Client, people: People) -> None:
    for seed in range(3):
        publish(people, seed=seed)
    publish(people, target=NPU)
    entries = list(alice.entries(target=CPU))
    frame = alice.leaderboard(target=CPU)
    assert list(frame["id"]) == [entry["id"] for entry in entries]
    assert set(frame["target"]) == {CPU}
    assert (frame["latency_ratio_low"] <= frame["latency_ratio"]).all()
    assert len(alice.leaderboard()) > len(frame)


def test_the_leaderboard_command(
    alice: Client, people: People, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    publish(people)
    status, out, err = remote(capfd, "leaderboard", "--target", CPU)
    assert (status, err) == (0, "")
    assert CPU in out
    board = tmp_path / "board.csv"
    status, out, _ = remote(capfd, "leaderboard", "--target", CPU, "--json", "--out", board)
    entries = json.loads(out)["entries"]
    assert list(pd.read_csv(board)["id"]) == [entry["id"] for entry in entries]
    status, _, err = remote(capfd, "leaderboard", "--out", tmp_path / "board.xls")
    assert status == 2
    assert "ends in neither .csv nor .parquet" in err


def test_an_entrys_files_are_downloaded_whole(
    alice: Client, people: People, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    entry = publish(people)[0]
    found = alice.entry(entry.pk)
    status, out, err = remote(capfd, "download", entry.pk, "--out", tmp_path / "files", "--json")
    assert status == 0, err
    written = json.loads(out)["files"]
    assert {Path(path).name for path in written} == {Path(name).name for name in found["files"]}
    for path, digest in written.items():
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
    status, _, err = remote(capfd, "download", entry.pk, "--file", "../secret", "--out", tmp_path)
    assert status == 2
    assert f"entry {entry.pk} has no file '../secret'; it has" in err


def test_a_search_is_acted_on_from_a_shell(
    alice: Client, people: People, capfd: pytest.CaptureFixture[str]
) -> None:
    device = factories.pool()[0]
    model = factories.detector(people.owner)
    asked = factories.request(people.owner, model, None, name="Tea", target_ids=[CPU])
    factories.queued_search(asked, CPU, device)
    for arguments, state in (
        (["pause", asked.pk], "paused"),
        (["resume", asked.pk, "--target", CPU], "queued"),
        (["cancel", asked.pk], "cancelled"),
        (["retry", asked.pk], "queued"),
    ):
        status, out, err = remote(capfd, *arguments)
        assert (status, out.strip()) == (0, f"{CPU}: {state}"), err
    status, out, _ = remote(capfd, "log", asked.pk)
    assert "cancelled by its owner" in out
    status, _, err = remote(capfd, "pause", asked.pk, "--target", "nothing")
    assert status == 2
    assert "no target of the request 'nothing'" in err


def test_what_one_has_is_listed(
    alice: Client, people: People, capfd: pytest.CaptureFixture[str]
) -> None:
    (entry, *_) = publish(people)
    for what, told in (
        ("models", "Cheshire"),
        ("data-sets", "Wonderland"),
        ("searches", entry.search.request_id),
        ("tokens", "test"),
        ("webhooks", "none"),
        ("devices", "looking-glass-cpu"),
    ):
        status, out, err = remote(capfd, "list", what)
        assert (status, err) == (0, "")
        assert told in out
    status, out, _ = remote(capfd, "list", "searches", "--json")
    assert [row["id"] for row in json.loads(out)["rows"]] == [entry.search.request_id]
    status, out, _ = remote(capfd, "quotas")
    assert "stored bytes" in out
    assert "50.00 GiB" in out
    status, out, _ = remote(capfd, "cross", entry.search.request_id)
    assert "nothing can be said yet" in out


def test_an_entry_is_withdrawn_from_a_shell(
    alice: Client, people: People, capfd: pytest.CaptureFixture[str]
) -> None:
    (entry, *_) = publish(people)
    status, out, _ = remote(capfd, "withdraw", entry.pk, "--reason", "too curious")
    assert (status, out.strip()) == (0, f"entry {entry.pk} is withdrawn: too curious")
    assert alice.entry(entry.pk)["withdrawn_reason"] == "too curious"


def test_lists_are_read_to_their_last_page(
    alice: Client, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.remote.connection.PAGE", 2)
    made = [factories.detector(people.owner, name=str(number)).pk for number in range(5)]
    assert [row["id"] for row in alice.uploads("models")] == made[::-1]


def test_a_snapshot_is_downloaded_once_it_is_written(
    alice: Client, people: People, tmp_path: Path
) -> None:
    publish(people)
    made = alice.take_snapshot(target=CPU)
    with pytest.raises(SiteError, match="has no csv file yet; written: none"):
        alice.download_snapshot(made["id"], kind="csv", into=tmp_path / "board.csv")
    folder = Snapshot.objects.get().folder.path
    folder.mkdir(parents=True)
    (folder / "entries.csv").write_text("position,rank\n")
    Snapshot.objects.update(job=None)  # as a worker leaves it
    alice.download_snapshot(made["id"], kind="csv", into=tmp_path / "board.csv")
    assert (tmp_path / "board.csv").read_text() == "position,rank\n"


def test_what_the_site_refuses_is_bad_input(
    alice: Client, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.exe"
    model.write_bytes(b"MZ")
    for arguments, said in (
        (["upload", model], "422"),
        (["watch", "nothing"], "no request 'nothing'"),
        (["search", "--model", "nothing", "--target", CPU], "no model 'nothing'"),
        (["upload", tmp_path / "gone.pt"], "no model or data set file"),
    ):
        status, out, err = remote(capfd, *arguments)
        assert (status, out) == (2, "")
        assert said in err
    assert not Detector.objects.exists()


def test_a_site_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ACTNAS_SITE", raising=False)
    status, _, err = remote(capfd, "leaderboard")
    assert status == 2
    assert "no site: give --site URL or set ACTNAS_SITE" in err


def test_a_silent_site_is_an_error_after_some_attempts(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with closed_port() as url:
        status, _, err = remote(capfd, "leaderboard", "--site", url)
    assert status == 1
    assert "GET leaderboard" in err


def test_a_busy_site_is_asked_again_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is created carries the same key each time, so that it is created once."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    busy = (429, {"Retry-After": "7", "Content-Type": "application/problem+json"}, b"{}")
    done = (201, {"Content-Type": "application/json"}, b'{"id": "abc"}')
    at_work = (409, {"Retry-After": "2", "Content-Type": "application/problem+json"}, b"{}")
    with answering([busy, busy, at_work, done]) as (url, seen), Client(url) as client:
        assert client.search({"model": "m"}) == {"id": "abc"}
    assert pauses == [7.0, 7.0, 2.0]
    assert len({key for _, key in seen}) == 1
    assert len(seen) == 4


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    cut = (200, {"Content-Length": "1000"}, b"only this")
    with answering([cut]) as (url, _), Client(url) as client:
        with pytest.raises(SiteError, match=r"GET model\.onnx of entry e"):
            client.download(entry="e", name="model.onnx", into=tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_refusals_carry_their_code() -> None:
    problem = {"detail": "imgsz is 100; accepted: multiples of 32", "code": "not-accepted"}
    answer = (422, {"Content-Type": "application/problem+json"}, json.dumps(problem).encode())
    with answering([answer]) as (url, _), Client(url) as client:
        with pytest.raises(SiteRefused, match="422 imgsz is 100") as caught:
            client.search({})
    assert caught.value.code == "not-accepted"


@contextmanager
def closed_port() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def answering(
    answers: list[tuple[int, dict[str, str], bytes]],
) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server that gives these answers, one a request; and the (path, key) that it saw."""
    seen: list[tuple[str, str | None]] = []
    left = iter(answers)

    class Handler(Quiet):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            seen.append((self.path, self.headers.get("Idempotency-Key")))
            status, headers, body = next(left)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    with serving(Handler) as url:
        yield url, seen
