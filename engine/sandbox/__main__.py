"""``python -m engine.sandbox --serve FD``: the server on an inherited socket.

``python -m engine.sandbox``: one request as JSON on stdin, its lines on stdout; for containers.
"""

from __future__ import annotations

import os
import socket
import sys

from engine.sandbox.server import serve
from engine.sandbox.task import Request, run

if sys.argv[1:2] == ["--serve"]:
    serve(socket.socket(fileno=int(sys.argv[2])))
    os._exit(0)  # libraries that clean up at the end would only take time
else:
    run(Request.model_validate_json(sys.stdin.read()), sys.stdout)
