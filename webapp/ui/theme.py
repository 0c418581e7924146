"""The one script that stands in the pages themselves: it must run before the first paint.

As a file it would hold up the parser for as long as it takes to fetch; its hash lets the
Content-Security-Policy name it, so that nothing else inline runs.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

SCRIPT = Path(__file__).with_name("theme.js").read_text(encoding="utf-8")
# As a source of script-src (https://www.w3.org/TR/CSP3/#grammardef-hash-source).
SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
