from __future__ import annotations

import pytest

from devices import runtimes
from devices.errors import Unsupported


@pytest.fixture(autouse=True)
def _its_runtime_is_installed(request: pytest.FixtureRequest) -> None:
    """A machine with a GPU may have only some of the runtimes; the reason names what it lacks."""
    if request.node.get_closest_marker("gpu") is None:
        return
    try:
        runtimes.get(request.getfixturevalue("target")).check()
    except Unsupported as error:
        pytest.skip(str(error))
