"""CPU sets in words."""

from __future__ import annotations

import pytest

from devices.confinement import cpu_numbers


@pytest.mark.parametrize(
    ("text", "numbers"), [("", set()), ("0", {0}), ("0-3,6", {0, 1, 2, 3, 6}), ("2,2-2", {2})]
)
def test_a_cpuset_names_cpus(text: str, numbers: set[int]) -> None:
    assert cpu_numbers(text) == numbers


@pytest.mark.parametrize("text", ["a", "0-", "-1", "3-1", "0;1", "0 1", "0-99999", "1.5", "²"])
def test_what_is_no_cpuset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='"0-3'):
        cpu_numbers(text)
