"""A site of ours from a script: its public HTTP API, without torch and without Django.

>>> with Client("https://actnas.example", token="...") as site:
...     model = site.upload(Path("detector.pt"))
...     frame = site.leaderboard(target="cpu-openvino-fp32")
"""

from engine.remote.client import Client, Document, SiteError, SiteRefused
from engine.remote.webhook import verify

__all__ = ["Client", "Document", "SiteError", "SiteRefused", "verify"]
