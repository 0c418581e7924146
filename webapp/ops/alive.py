"""``python -m webapp.ops.alive``: status 0 if the web process of this container answers /livez."""

from __future__ import annotations

import os
import sys
from urllib.error import URLError
from urllib.request import Request, urlopen

_PATIENCE_S = 8


def main() -> int:
    """Exit status: 0 if it answers, else 1 with one line that says what was asked and why not."""
    address = os.environ.get("ACTNAS_BIND", "127.0.0.1:8000").replace("0.0.0.0", "127.0.0.1")
    # By a name that the site answers to: Django refuses others.
    name = os.environ.get("ACTNAS_ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".*")
    asked = Request(f"http://{address}/livez", headers={"Host": name or "localhost"})
    try:
        with urlopen(asked, timeout=_PATIENCE_S) as answer:
            answer.read()
    except (URLError, OSError) as error:
        print(f"alive: {asked.full_url}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
