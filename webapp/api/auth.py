"""Who calls: a token in the Authorization header, or the session of a signed-in browser."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.models import AnonymousUser, User
from django.http import Http404, HttpRequest
from ninja.errors import HttpError
from ninja.security import HttpBearer, SessionAuth

from webapp.accounts.choices import Scope
from webapp.accounts.models import ApiToken

_SAFE = {"GET", "HEAD", "OPTIONS"}


class TokenAuth(HttpBearer):
    """``Authorization: Bearer actnas_<prefix>_<secret>``."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        found = ApiToken.objects.authenticate(token)
        if found is None:
            return None
        needed = Scope.READ if request.method in _SAFE else Scope.WRITE
        if not found.allows(needed):
            raise HttpError(403, f"this token lacks the scope {needed.value!r}")
        found.touch()
        request.user = found.user
        return found.user


class Anyone(HttpBearer):
    """Lets everyone in, and knows who sent a token or has a session; a wrong token is refused."""

    def __call__(self, request: HttpRequest) -> object:
        if "Authorization" in request.headers:
            return TokenAuth()(request)
        return request.user if request.user.is_authenticated else AnonymousUser()

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        return TokenAuth().authenticate(request, token)


SIGNED_IN = [TokenAuth(), SessionAuth()]
ANYONE = [Anyone()]


def user_of(request: HttpRequest) -> User:
    """The signed-in user of an operation that needs one."""
    return cast(User, request.user)


def missing(what: str, key: object) -> Http404:
    """The same answer for what does not exist and for what is somebody else's."""
    return Http404(f"no {what} {key!r} that you may see")
