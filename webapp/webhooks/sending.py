"""One attempt: one POST, to the address that was checked."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import httpx

from devices import __version__
from engine.remote import webhook
from webapp.errors import Refused
from webapp.webhooks import addresses

LIMIT_S = 10.0
_LONGEST_ERROR = 200


@dataclass(frozen=True)
class Outcome:
    """How an attempt went; ``status`` is None where no answer came."""

    status: int | None
    error: str
    seconds: float

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send(address: str, *, body: str, secret: str, event: str, delivery: str) -> Outcome:
    """Send ``body``, signed. Never raises for what the other side does.

    No redirect is followed, no more than the status and headers of the answer are read, and all of
    it, however slowly the other side answers, takes at most LIMIT_S after its name was looked up.
    """
    started = time.monotonic()
    status, error = None, ""
    content = body.encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"ActNAS-Bench/{__version__}",
        "Actnas-Event": event,
        "Actnas-Delivery": delivery,
        webhook.HEADER: webhook.sign(secret, content, at=int(time.time())),
    }
    try:
        destination = addresses.check(address)
        status = asyncio.run(_post(destination, content, headers))
    except TimeoutError:
        error = f"no answer within {LIMIT_S:g} s"
    except (Refused, httpx.HTTPError, OSError) as failure:
        error = str(failure) or type(failure).__name__
    else:
        error = _complaint(status)
    return Outcome(
        status=status, error=error[:_LONGEST_ERROR], seconds=round(time.monotonic() - started, 3)
    )


async def _post(destination: addresses.Destination, content: bytes, headers: dict[str, str]) -> int:
    # asyncio for its time-out over everything: httpx's own ones begin anew with every byte.
    # Without the environment's proxies, which would look the name up once more.
    async with asyncio.timeout(LIMIT_S), httpx.AsyncClient(trust_env=False) as client:
        request = client.build_request(
            "POST",
            destination.connect_url,
            content=content,
            headers={"Host": destination.host_header, **headers},
            timeout=None,
            extensions={"sni_hostname": destination.server_name},
        )
        answer = await client.send(request, stream=True, follow_redirects=False)
        await answer.aclose()
        return answer.status_code


def _complaint(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"answered {status}; redirects are not followed"
    return f"answered {status}"
