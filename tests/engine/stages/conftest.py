"""A small ONNX upload for searches in which nothing is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engine import export, loading
from engine.data import DataSet
from tests.engine.conftest import SMALL

SIDE = 96


@pytest.fixture(scope="package")
def upload(drawings: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small detector of the drawings' classes as ONNX."""
    folder = tmp_path_factory.mktemp("upload")
    description = {**yaml.safe_load(SMALL), "nc": len(drawings.names), "names": drawings.names}
    (folder / "small.yaml").write_text(yaml.safe_dump(description))
    model = loading.load(folder / "small.yaml", imgsz=SIDE)
    assert model.net is not None
    done = export.export(model.net, folder / "small.onnx", imgsz=SIDE, names=model.names)
    return done.path
