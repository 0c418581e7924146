"""The site's public HTTP API, as a user's script uses it. Nothing here knows the site's code."""

from __future__ import annotations

from engine.remote.accounts import Accounts
from engine.remote.board import Board
from engine.remote.connection import Document, SiteError, SiteRefused
from engine.remote.hooks import Hooks
from engine.remote.searches import ENDED, Searches
from engine.remote.uploads import Kind, Uploads, kind_of

__all__ = ["ENDED", "Client", "Document", "Kind", "SiteError", "SiteRefused", "kind_of"]


class Client(Accounts, Uploads, Searches, Board, Hooks):
    """One user of the site at ``url``; without a token, anybody. A context manager.

    Every method raises SiteRefused when the site says no and SiteError when it does not answer.
    What is created is created once, however often the network makes us ask: each such request has
    its own key (but for tokens and secrets, whose answers no site keeps). Lists that come in pages
    are iterators over all of them.
    """
