"""Webhooks: addresses of one's own that are told when a search ends."""

from __future__ import annotations

from collections.abc import Iterator

from engine.remote.connection import Connection, Document


class Hooks(Connection):
    """Calls about webhooks; :func:`engine.remote.verify` checks what they send."""

    def webhooks(self) -> Iterator[Document]:
        """One's own, the newest first; without their secrets."""
        return self._pages("webhooks")

    def webhook(self, webhook: str) -> Document:
        """One of them, and whether it was switched off."""
        return dict(self._read(f"webhooks/{webhook}"))

    def make_webhook(self, url: str) -> Document:
        """A new one; its ``secret`` is in this answer and nowhere else."""
        return dict(self._send("POST", "webhooks", json={"url": url}).json())

    def renew_secret(self, webhook: str) -> Document:
        """The webhook with a new ``secret``; the one before signs nothing any more."""
        return dict(self._send("POST", f"webhooks/{webhook}/secret").json())

    def test_webhook(self, webhook: str) -> Document:
        """Sends the event ``test``, once; the delivery."""
        return self._create(f"webhooks/{webhook}/test", {})

    def deliveries(self, webhook: str) -> Iterator[Document]:
        """What was sent to it, the newest first, with every attempt."""
        return self._pages(f"webhooks/{webhook}/deliveries")

    def delete_webhook(self, webhook: str) -> None:
        """Deletes it with its deliveries; nothing more is sent to it."""
        self._send("DELETE", f"webhooks/{webhook}")
