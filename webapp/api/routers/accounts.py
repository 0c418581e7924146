"""Accounts: sign up, and get a token."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Router, Status
from ninja.errors import HttpError

from webapp.accounts import quotas, services
from webapp.accounts.choices import Scope
from webapp.api import schemas
from webapp.api.auth import SIGNED_IN, user_of
from webapp.errors import Refused

router = Router(tags=["accounts"])


@router.post("/users", response={201: schemas.UserOut}, auth=None)
def sign_up(request: HttpRequest, body: schemas.SignUp) -> Status[dict[str, str]]:
    """Make an account, where the site allows it."""
    if not settings.SIGN_UP:
        raise HttpError(403, "sign-up is closed on this site; ask its administrator")
    user = User(username=body.username, email=body.email)
    try:
        user.clean_fields(exclude=["password"])
        validate_password(body.password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None
    user.set_password(body.password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise HttpError(409, f"the user name {body.username!r} is taken") from None
    return Status(201, {"username": user.username})


@router.post("/tokens", response={201: schemas.TokenOut}, auth=None)
def make_token(request: HttpRequest, body: schemas.Credentials) -> Status[dict[str, str]]:
    """Exchange a user name and password for a token. It is shown this once."""
    user = authenticate(request, username=body.username, password=body.password)
    if not isinstance(user, User):
        raise HttpError(401, "user name or password is wrong")
    scopes = [scope.value for scope in Scope if scope.value in body.scopes]
    if len(scopes) != len(set(body.scopes)) or not scopes:
        raise Refused(f"scopes are {body.scopes}; accepted: some of {', '.join(Scope.values)}")
    token, text = services.issue_token(user=user, name=body.name, scopes=scopes)
    return Status(201, {"token": text, "name": token.name, "prefix": token.prefix})


@router.get("/users/me", response=schemas.UserOut, auth=SIGNED_IN)
def who_am_i(request: HttpRequest) -> dict[str, str]:
    """The user that the token or session belongs to."""
    return {"username": user_of(request).username}


@router.get("/users/me/quotas", response=list[schemas.QuotaOut], auth=SIGNED_IN)
def my_quotas(request: HttpRequest) -> list[schemas.QuotaOut]:
    """What you use of what you may use. Past a limit a request gets the problem quota-exceeded."""
    return [
        schemas.QuotaOut(name=one.name, unit=one.unit, used=one.used, allowed=one.allowed)
        for one in quotas.quotas_of(user_of(request))
    ]


@router.delete("/users/me", response={204: None}, auth=SIGNED_IN)
def delete_account(request: HttpRequest, body: schemas.Password) -> Status[None]:
    """Delete the account with everything in it, after the password was given once more."""
    user = user_of(request)
    if not user.check_password(body.password):
        raise HttpError(403, "the password is wrong; nothing was deleted")
    services.delete_account(user, by=user)
    return Status(204, None)
