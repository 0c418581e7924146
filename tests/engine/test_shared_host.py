"""A search that measures while a training runs on the same host."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.protocol import Arm, File, MeasureJob, Settings
from devices.runtimes.base import sha256
from devices.transports import local
from engine import data, export, loading
from engine.data_info import describe
from engine.training import TrainingSettings, TrainingSpec

pytestmark = pytest.mark.slow

TRAINER = """
import sys, time
from pathlib import Path
from engine.local_services import LocalServices
from engine.training import TrainingSpec

steps = open(sys.argv[3], "w", buffering=1)
services = LocalServices(
    trainings=Path(sys.argv[2]), on_event=lambda event: print(time.time(), file=steps)
)
services.train(TrainingSpec.from_json(Path(sys.argv[1]).read_text()))
"""


@pytest.fixture
def steps(abd_checkpoint: Path, molecules: Path, tmp_path: Path) -> Iterator[Path]:
    """A file to which a running training writes the time of each of its steps."""
    spec = TrainingSpec(
        phase="adapt",
        model=str(abd_checkpoint),
        model_sha256=sha256(abd_checkpoint),
        data=str(molecules),
        data_sha256=describe(data.open_data(molecules)).sha256,
        settings=TrainingSettings(
            imgsz=160, activations=("relu", "silu"), adapt_epochs=10_000, batch=8
        ),
    )
    (tmp_path / "spec.json").write_text(spec.to_json())
    times = tmp_path / "steps.txt"
    arguments = [str(tmp_path / "spec.json"), str(tmp_path / "trainings"), str(times)]
    process = subprocess.Popen([sys.executable, "-c", TRAINER, *arguments])
    try:
        deadline = time.monotonic() + 120
        while not times.exists() or len(times.read_text().splitlines()) < 5:
            assert process.poll() is None, "the training ended"
            assert time.monotonic() < deadline, "the training does not begin"
            time.sleep(0.2)
        yield times
        assert process.poll() is None, "the training ended"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_no_step_falls_into_a_measurement(
    abd_checkpoint: Path, steps: Path, tmp_path: Path
) -> None:
    net = loading.load(abd_checkpoint, imgsz=160)
    assert net.net is not None
    exported = export.export(net.net, tmp_path / "m.onnx", imgsz=160, names=net.names)
    file = File(path=str(exported.path), sha256=exported.sha256)
    job = MeasureJob(
        id="aa",
        target="cpu-onnxruntime-fp32",
        arms=[Arm(name="a", file=file), Arm(name="b", file=file)],
        baseline="a",
        settings=Settings(max_seconds=15, half_width=0.004),
    )
    result = local.run(job, timeout_s=300)
    seen = len(steps.read_text().splitlines())
    begun = time.time() - result.provenance.seconds
    inside = [t for t in map(float, steps.read_text().splitlines()) if t > begun + 1]
    # The lease ends when the device process does, a moment after the last sample.
    assert len(inside) <= 2
    again = result.arm("b")
    inside_interval = again.ratio_interval.low <= 1.0 <= again.ratio_interval.high
    assert inside_interval or abs(again.ratio - 1) < 0.02
    deadline = time.monotonic() + 60
    while len(steps.read_text().splitlines()) <= seen:
        assert time.monotonic() < deadline, "the training does not go on"
        time.sleep(0.2)
