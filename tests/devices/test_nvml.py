"""What NVML says, read without a GPU: its values are plain numbers."""

from __future__ import annotations

import json

import pynvml
import pytest

from devices import nvml, targets
from devices.nvml import Sample, Watch


def _sample(reasons: int = 0, sm_mhz: int = 1980) -> Sample:
    return Sample(sm_mhz=sm_mhz, memory_mhz=2619, celsius=41, watts=120.5, reasons=reasons)


def test_every_reason_of_the_driver_has_its_words() -> None:
    prefixes = ("nvmlClocksEventReason", "nvmlClocksThrottleReason")
    bits = {
        value
        for name, value in vars(pynvml).items()
        if name.startswith(prefixes) and not name.endswith(("All", "None"))
    }
    assert bits == set(nvml.REASONS)


@pytest.mark.parametrize(
    ("mask", "words", "slowing"),
    [
        (0, [], 0),
        (pynvml.nvmlClocksEventReasonGpuIdle, ["idle"], 0),
        (
            pynvml.nvmlClocksEventReasonSwPowerCap | pynvml.nvmlClocksEventReasonGpuIdle,
            ["idle", "power cap"],
            pynvml.nvmlClocksEventReasonSwPowerCap,
        ),
        (
            pynvml.nvmlClocksEventReasonHwThermalSlowdown,
            ["thermal slowdown by the hardware"],
            pynvml.nvmlClocksEventReasonHwThermalSlowdown,
        ),
        (1 << 40, ["reason 0x10000000000"], 1 << 40),  # a newer driver's
    ],
)
def test_a_mask_in_words_and_what_of_it_slows(mask: int, words: list[str], slowing: int) -> None:
    assert nvml.words(mask) == words
    assert nvml.slows(mask) == slowing


def test_the_provenance_holds_ranges_and_all_reasons() -> None:
    summary = nvml.summary([_sample(0x1), _sample(0x4, sm_mhz=1755)])
    assert summary["sm_mhz"] == [1755, 1980]
    assert summary["clock_reasons"] == ["idle", "power cap"]
    assert json.loads(json.dumps(summary)) == summary
    assert nvml.summary([]) == {"samples": 0}


def test_slowing_down_is_said_and_being_idle_is_not() -> None:
    assert nvml.remark([_sample(0x1), _sample()]) is None
    said = nvml.remark([_sample(0x1), _sample(0x4), _sample(0x44)])
    assert said is not None
    assert "2 of 3 samples" in said
    assert said.endswith("power cap, thermal slowdown by the hardware")


def test_without_a_driver_it_says_so_and_measures_on() -> None:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        pass
    else:
        pytest.skip("this machine has NVIDIA's driver")
    watch = Watch()
    watch.sample()
    watch.close()
    assert watch.samples == []
    assert "NVML" in watch.facts()["nvml"]


def test_only_a_gpu_is_watched() -> None:
    for target in targets.TARGETS:
        with nvml.watching(target) as watch:
            assert (watch is not None) == (target.hardware == "gpu")
