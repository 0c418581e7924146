"""Fixtures of the engine's tests: the real checkpoint loaded once, small models from YAML."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import pytest

from engine import data, loading
from engine.data import DataSet
from tests.engine.models import WithNet

_SPEC = find_spec("ultralytics")
assert _SPEC is not None
assert _SPEC.origin is not None
CONFIGS = Path(_SPEC.origin).parent / "cfg" / "models"


@pytest.fixture(scope="session")
def abd(abd_checkpoint: Path) -> WithNet:
    """The real checkpoint, loaded; tests work on copies of its net."""
    return cast(WithNet, loading.load(abd_checkpoint))


@pytest.fixture(scope="session")
def drawings(molecules: Path) -> DataSet:
    """The tiny data set of molecule drawings, opened."""
    return data.open_data(molecules)


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], WithNet]:
    """The weightless model of one of ultralytics' own descriptions, such as "v8/yolov8n"."""
    loaded: dict[str, WithNet] = {}

    def load(name: str) -> WithNet:
        if name not in loaded:
            folder, _, stem = name.partition("/")
            source = CONFIGS / folder / f"{stem}.yaml"
            if not source.is_file():  # yolov8n is yolov8.yaml at scale n
                source = CONFIGS / folder / f"{stem[:-1]}.yaml"
            target = tmp_path_factory.mktemp("family") / f"{stem}.yaml"
            shutil.copyfile(source, target)
            loaded[name] = cast(WithNet, loading.load(target, imgsz=64))
        return loaded[name]

    return load


@pytest.fixture
def write_yaml(tmp_path: Path) -> Callable[..., Path]:
    """Write a small valid model YAML; ``replace`` pairs change its text."""

    def write(*replace: tuple[str, str], name: str = "small.yaml") -> Path:
        text = SMALL
        for old, new in replace:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


SMALL = """\
nc: 3
activation: nn.SiLU()
scales:
  n: [0.5, 0.25, 1024]
backbone:
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 2, C2f, [128, True]]
  - [-1, 1, Conv, [256, 3, 2]]
head:
  - [-1, 1, nn.Upsample, [None, 2, "nearest"]]
  - [[-1, 2], 1, Concat, [1]]
  - [-1, 1, C2f, [128]]
  - [[6], 1, Detect, [nc]]
"""
