"""``python -m engine.sandbox --serve FD``: the server on an inherited socket.

``python -m engine.sandbox --stdio``: one upload over stdin and stdout; what a container runs.
"""

from __future__ import annotations

import os
import socket
import sys

from engine.sandbox import server, stdio

if sys.argv[1:2] == ["--serve"]:
    server.serve(socket.socket(fileno=int(sys.argv[2])))
else:
    stdio.serve()
os._exit(0)  # libraries that clean up at the end would only take time
