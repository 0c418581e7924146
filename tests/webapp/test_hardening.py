"""Headers, cookies, secrets at rest, limits of uploads, and what `check --deploy` says."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from tests.conftest import ROOT
from tests.hostile import names, yamls
from tests.webapp.conftest import API, PASSWORD, People, api_client
from webapp.accounts.models import ApiToken
from webapp.catalog import services
from webapp.catalog.models import Detector
from webapp.errors import Refused

pytestmark = pytest.mark.django_db

PRODUCTION = {
    "ACTNAS_HTTPS": "1",
    "ACTNAS_SECRET_KEY": "correct-horse-battery-staple-and-forty-more-letters-0123456789",
    "ACTNAS_ALLOWED_HOSTS": "bench.example",
    "ACTNAS_REDIS_URL": "redis://:secret@redis.example:6379/0",
}


def deploy_check(tmp_path: Path, **changes: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "ACTNAS_VAR": str(tmp_path), **PRODUCTION, **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr + done.stdout


def test_a_production_site_passes_the_deploy_check(tmp_path: Path) -> None:
    status, said = deploy_check(tmp_path)
    assert (status, "no issues" in said) == (0, True), said


def test_the_deploy_check_names_what_only_looks_safe(tmp_path: Path) -> None:
    status, said = deploy_check(
        tmp_path, ACTNAS_SIGN_UP="1", ACTNAS_REDIS_URL="redis://redis.example:6379/0"
    )
    assert status == 1
    assert "actnas.W001" in said
    assert "actnas.W002" in said


def test_every_answer_has_its_headers(client: Client, people: People) -> None:
    for path in ("/", "/accounts/login/", f"{API}/leaderboard", "/admin/login/", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "DENY", path
        assert headers["Referrer-Policy"] == "same-origin", path
        shared = "unsafe-none" if path == "/" else "same-origin"  # one page for all visitors
        assert headers["Cross-Origin-Opener-Policy"] == shared, path
    client.force_login(people.owner)
    assert client.get("/").headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_the_policy_knows_the_one_script_in_the_page(client: Client, people: People) -> None:
    answer = client.get("/")
    scripts = re.findall(r"<script>(.*?)</script>", answer.content.decode(), re.DOTALL)
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    policy = answer.headers["Content-Security-Policy"]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert len(hashes) == 1


def test_https_is_kept_and_cookies_stay_inside(
    client: Client, people: People, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    plain = client.get("/")
    assert (plain.status_code, plain["Location"]) == (301, "https://testserver/")
    assert client.get("/", secure=True)["Strict-Transport-Security"] == "max-age=31536000"
    who = {"username": "alice", "password": PASSWORD}
    client.get("/accounts/login/", secure=True)
    client.post("/accounts/login/", who, secure=True)
    session, token = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert (session["secure"], session["httponly"], session["samesite"]) == (True, True, "Lax")
    assert (token["secure"], token["samesite"]) == (True, "Lax")


def test_tokens_are_worth_nothing_in_a_copy_of_the_database(
    people: People, settings: Settings
) -> None:
    token, text = ApiToken.objects.issue(user=people.owner, name="t")
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    secret = text.split("_", 2)[2]
    assert secret not in str(row)
    assert ApiToken.objects.authenticate(text) == token
    settings.SECRET_KEY = "another site's key"  # keyed: a list of hashes cannot be tried out
    assert ApiToken.objects.authenticate(text) is None


def test_a_closed_sign_up_says_why_and_what_to_set(client: Client, settings: Settings) -> None:
    settings.SIGN_UP = False
    answer = client.get("/accounts/sign-up/")
    text = answer.content.decode()
    assert answer.status_code == 403
    assert "ACTNAS_SIGN_UP=1" in text
    who = {"username": "carol", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/sign-up/", who).status_code == 403
    assert "/accounts/sign-up/" not in client.get("/").content.decode()


def test_uploads_of_an_account_are_limited_at_both_doors(
    people: People, settings: Settings
) -> None:
    settings.RATE_UPLOADS = 2

    def upload() -> SimpleUploadedFile:
        return SimpleUploadedFile("a.yaml", yamls.GOOD.encode())

    token, browser = api_client(people.owner), Client()
    browser.force_login(people.owner)
    assert token.post(f"{API}/models", {"file": upload()}).status_code == 201
    form = {"file": upload(), "visibility": "private"}
    assert browser.post("/models/upload/", form).status_code == 302
    answer = token.post(f"{API}/models", {"file": upload()})
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert "more than 2 uploads in a minute" in answer.json()["detail"]
    answer = browser.post("/models/upload/", {"file": upload(), "visibility": "private"})
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert "more than 2 uploads in a minute" in answer.content.decode()
    stranger = api_client(people.stranger)
    assert stranger.post(f"{API}/models", {"file": upload()}).status_code == 201


@pytest.mark.parametrize("case", names.NAMES, ids=lambda case: case.name)
def test_names_of_files_stay_names(people: People, site: Path, case: names.Name) -> None:
    file = SimpleUploadedFile("x", yamls.GOOD.encode())
    file.__dict__["_name"] = case.sent  # as a request may carry it
    answer = api_client(people.owner).post(f"{API}/models", {"file": file})
    if case.says:
        assert answer.status_code in (400, 422), answer.content
        assert case.says in answer.json()["detail"]
        assert not Detector.objects.exists()
        return
    assert answer.status_code == 201, answer.content
    stored = Detector.objects.get().file
    assert Path(stored.path).is_relative_to(site / "storage" / "models")
    assert default_storage.exists(str(stored.name))
    assert Path(str(stored.name)).name == case.kept


@pytest.mark.parametrize("name", names.CONTROLS)
def test_names_with_invisible_characters_are_refused(people: People, name: str) -> None:
    file = SimpleUploadedFile("x.yaml", yamls.GOOD.encode())
    file.__dict__["_name"] = name  # past what Django takes out
    with pytest.raises(Refused, match="holds a character that cannot be shown"):
        services.upload_model(owner=people.owner, file=file)
