"""Builds the images of devices: ``python -m tools.images [NAME ...]``, from the repository's root.

Each is called PREFIX/device-NAME:HARNESS and carries the version of the harness and the revision
of git as labels. A tree with changes makes images called so ("-dirty"), which are not published.
PIP_INDEX_URL and TORCH_INDEX_URL (PyTorch's CPU-only builds) of the environment are passed on. An
image that fails keeps none of the others from being made.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from devices import HARNESS_VERSION
from devices.errors import DeviceError
from devices.transports.engines import LOCAL, Engine

if TYPE_CHECKING:
    from docker import DockerClient

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ROOT / "docker" / "targets"
USUAL = ("onnxruntime", "openvino", "ethos-u")
INDEXES = ("PIP_INDEX_URL", "TORCH_INDEX_URL")  # of the environment, for Dockerfiles that ask


class NotBuilt(Exception):
    """An image could not be made or published; ``str()`` says why."""


def known() -> list[str]:
    """The names of all images of devices."""
    return sorted(path.parent.name for path in TARGETS.glob("*/Dockerfile"))


def revision(root: Path = ROOT) -> str:
    """The commit of the tree at ``root``, with ``-dirty`` if it has changes; "unknown" without git.

    ``-dirty`` counts files that git does not know, too: they are in the image as well.
    """
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(root, "status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def publishable(found: str) -> str:
    """``found``, a revision from which anybody can make the image again.

    Raises:
        NotBuilt: it is none.
    """
    if found == "unknown" or found.endswith("-dirty"):
        raise NotBuilt(f"revision {found}: only a clean checkout is published; commit first")
    return found


def build(
    client: DockerClient, name: str, *, base: str | None, prefix: str, revision: str
) -> tuple[str, str]:
    """(name, id) of the image called ``name``, made with the layers of earlier builds.

    Raises:
        NotBuilt: the build failed; the message ends with its last lines.
    """
    from docker.errors import APIError, BuildError

    tag = f"{prefix}/device-{name}:{HARNESS_VERSION}"
    recipe = Path("docker", "targets", name, "Dockerfile")
    arguments = {"HARNESS": HARNESS_VERSION, "REVISION": revision}
    arguments |= {"BASE_IMAGE": base} if base else {}
    asked = (ROOT / recipe).read_text(encoding="utf-8").splitlines()
    for index in INDEXES:
        if f"ARG {index}" in asked and os.environ.get(index):
            arguments[index] = os.environ[index]
    try:
        image, _ = client.images.build(
            path=str(ROOT),
            dockerfile=str(recipe),
            tag=tag,
            buildargs=arguments,
            network_mode="host",
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        lines = "".join(line.get("stream", "") for line in error.build_log).splitlines()
        raise NotBuilt("\n".join([f"{tag}: {error}", *lines[-20:]])) from None
    except APIError as error:
        raise NotBuilt(f"{tag}: {error.explanation}") from None
    return tag, image.id


def main(arguments: list[str]) -> int:
    """Runs the command line; the exit status, 1 if any image could not be made."""
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"of {', '.join(known())}; none: {', '.join(USUAL)}"
    )
    parser.add_argument("--all", action="store_true", help="every image")
    parser.add_argument(
        "--base",
        default=os.environ.get("ACTNAS_BASE_IMAGE"),
        help="base image, where python:3.11-slim cannot be fetched (ACTNAS_BASE_IMAGE)",
    )
    parser.add_argument("--prefix", default="actnas", help="registry/folder to name them below")
    parser.add_argument("--engine", default=LOCAL, help="unix://, ssh:// or tcp:// address")
    parser.add_argument("--tls", type=Path, help="folder of ca.pem, cert.pem and key.pem for tcp")
    parser.add_argument("--publish", action="store_true", help="push them to their registry")
    options = parser.parse_args(arguments)
    names = known() if options.all else options.names or list(USUAL)
    for name in names:
        if name not in known():
            parser.error(f"no image {name!r}; known: {', '.join(known())}")
    try:
        made_of = publishable(revision(ROOT)) if options.publish else revision(ROOT)
        with Engine(options.engine, options.tls).connect() as client:
            made = [_make(client, name, options, revision=made_of) for name in names]
    except (NotBuilt, DeviceError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0 if all(made) else 1


def _make(client: DockerClient, name: str, options: argparse.Namespace, *, revision: str) -> bool:
    """Builds one image, and publishes it if that is asked for; tells how it went."""
    start = time.monotonic()
    try:
        tag, image = build(
            client, name, base=options.base, prefix=options.prefix, revision=revision
        )
        print(f"{tag}  {image[7:19]}  {time.monotonic() - start:.0f} s", flush=True)
        if options.publish:
            _push(client, tag)
    except NotBuilt as error:
        print(f"images: {error}", file=sys.stderr, flush=True)
        return False
    return True


def _push(client: DockerClient, tag: str) -> None:
    for line in client.images.push(tag, stream=True, decode=True):
        if "error" in line:
            raise NotBuilt(f"{tag} is not published: {line['error']}")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
