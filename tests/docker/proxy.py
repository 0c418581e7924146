"""``python -m tests.docker.proxy PORT TLS_FOLDER``: another way to the engine here.

It speaks TLS and asks for a certificate, as a remote engine does. Prints a line once it listens.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from pathlib import Path

from devices.transports.engines import LOCAL


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _serve(reader: StreamReader, writer: StreamWriter) -> None:
    back, forth = await asyncio.open_unix_connection(LOCAL.removeprefix("unix://"))
    await asyncio.gather(_pump(reader, forth), _pump(back, writer))


async def main(port: str, tls: str) -> None:
    folder = Path(tls)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "server-cert.pem", folder / "server-key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(_serve, "127.0.0.1", int(port), ssl=context)
    print(server.sockets[0].getsockname(), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
