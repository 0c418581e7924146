"""CPU sets in words, and what a process finds of its limits."""

from __future__ import annotations

import pytest

from devices.confinement import Confinement, Limits, cpu_numbers, missing


@pytest.mark.parametrize(
    ("text", "numbers"), [("", set()), ("0", {0}), ("0-3,6", {0, 1, 2, 3, 6}), ("2,2-2", {2})]
)
def test_a_cpuset_names_cpus(text: str, numbers: set[int]) -> None:
    assert cpu_numbers(text) == numbers


@pytest.mark.parametrize("text", ["a", "0-", "-1", "3-1", "0;1", "0 1", "0-99999", "1.5", "²"])
def test_what_is_no_cpuset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='"0-3'):
        cpu_numbers(text)


def test_cpus_and_writable_places_are_looked_at_from_inside() -> None:
    held = Confinement(
        user=65534,
        no_new_privileges=True,
        capabilities="0",
        seccomp=2,
        interfaces=["lo"],
        root_read_only=True,
        writable=[],
        scratch_mib=128,
        memory_mib=256,
        swap_mib=0,
        pids=64,
        cpus=[0],
        init="docker-init",
    )
    limits = Limits(memory_mib=256, cpuset="0", pids=64)
    assert missing(held, limits) == []
    more = held.model_copy(update={"cpus": [0, 1], "writable": ["/data"]})
    assert missing(more, limits) == [
        "it can write to /data",
        "it may use the CPUs [0, 1], not 0",
    ]
