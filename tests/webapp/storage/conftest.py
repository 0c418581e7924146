"""An S3-compatible server of our own, and a bucket in it for every test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from pytest_django import Settings

from tests.webapp.conftest import wait_until
from webapp import environment as env
from webapp.ids import new_id

_KEYS = {"ACTNAS_S3_ACCESS_KEY": "wonderland", "ACTNAS_S3_SECRET_KEY": "a-curious-key"}


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of moto's server, on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "s3.log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        client = _client(f"http://127.0.0.1:{port}")
        wait_until(lambda: process.poll() is not None or _answers(client), seconds=60)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that make a process use a bucket of this test; set for this one, too."""
    bucket = f"actnas-{new_id()}"
    _client(s3_server).create_bucket(Bucket=bucket)
    variables = {"ACTNAS_S3_BUCKET": bucket, "ACTNAS_S3_ENDPOINT": s3_server, **_KEYS}
    variables["ACTNAS_S3_REGION"] = "us-east-1"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def remote(s3: dict[str, str], environment: dict[str, str], settings: Settings) -> str:
    """This test and its workers keep their files in the bucket, which comes back."""
    environment |= s3
    settings.STORAGES = {**settings.STORAGES, **env.storages(Path(os.devnull))}
    return s3["ACTNAS_S3_BUCKET"]


def objects(s3_server: str, bucket: str, prefix: str = "") -> list[str]:
    """The keys in a bucket."""
    listed = _client(s3_server).list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for found in listed.get("Contents", [])]


def overwrite(s3_server: str, bucket: str, key: str, body: bytes) -> None:
    _client(s3_server).put_object(Bucket=bucket, Key=key, Body=body)


def _client(address: str) -> boto3.client:
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=_KEYS["ACTNAS_S3_ACCESS_KEY"],
        aws_secret_access_key=_KEYS["ACTNAS_S3_SECRET_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def _answers(client: boto3.client) -> bool:
    try:
        client.list_buckets()
    except BotoCoreError:
        return False
    return True
