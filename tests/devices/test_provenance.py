from __future__ import annotations

import datetime
import os
import platform

from devices import HARNESS_VERSION
from devices.provenance import Recorder


def test_it_names_what_can_move_a_figure() -> None:
    recorder = Recorder(threads=1)
    cpu = max(os.sched_getaffinity(0))
    found = recorder.finish(cpus=(cpu,), versions={"runtime": "1.2.3"})
    machine = found.machine
    assert found.harness == HARNESS_VERSION
    assert machine["cpu"]
    assert machine["cpus_pinned"] == [cpu]
    assert set(machine["cpus_usable"]) == os.sched_getaffinity(0)
    assert machine["threads"] == 1
    assert machine["governor"] == "unreadable" or str(cpu) in machine["governor"]
    assert len(machine["load_at_start"]) == len(machine["load_at_end"]) == 3
    assert 0 <= machine["steal_share"] <= 1
    assert machine["memory_mib"] >= machine["memory_available_mib"] > 0
    assert machine["kernel"] == platform.release()
    assert found.versions["runtime"] == "1.2.3"
    assert {"python", "numpy", "onnx", "pydantic"} <= set(found.versions)
    started = datetime.datetime.fromisoformat(found.started_at)
    assert started.tzinfo is not None
    assert found.seconds >= 0
    assert type(found).model_validate_json(found.model_dump_json()) == found
