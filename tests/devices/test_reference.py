"""The reference model: the same everywhere, and every kind of target can run it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from devices import reference, targets
from devices.graph import check_untrusted, find_sites
from devices.noise import judge
from devices.run import run


def test_it_is_the_same_bytes_on_every_machine() -> None:
    made = reference.model().SerializeToString(deterministic=True)
    assert hashlib.sha256(made).hexdigest()[:16] == "9b049c01f99a34c3"
    check_untrusted(reference.model())
    assert len(find_sites(reference.model())) == 8


@pytest.mark.parametrize(
    "target", ["cpu-onnxruntime-fp32", "cpu-onnxruntime-int8", "npu-ethos-u55-128-int8"]
)
def test_a_device_measures_it_against_itself(target: str, tmp_path: Path) -> None:
    job = reference.job(targets.get(target), folder=tmp_path, id="check-1")
    short = job.settings.model_copy(update={"min_blocks": 2, "max_blocks": 2, "rounds": 3})
    result = run(job.model_copy(update={"settings": short}))
    again = result.arm(reference.AGAIN)
    assert again.file_sha256 == result.arm(reference.BASELINE).file_sha256
    assert again.latency_ms > 0
    if result.kind == "modelled":
        assert again.ratio == 1.0
    else:
        assert judge(result, ()) is not None
