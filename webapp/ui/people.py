"""Who asks."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def signed_in(request: HttpRequest) -> User:
    """The user who is signed in.

    Raises:
        PermissionDenied: nobody is (the view lacks ``login_required``).
    """
    if not isinstance(request.user, User):
        raise PermissionDenied("sign in first")
    return request.user
