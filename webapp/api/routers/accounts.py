"""Accounts: sign up, and get a token."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from ninja.errors import HttpError

from webapp.accounts import addresses, passwords, quotas, services
from webapp.accounts.choices import Scope
from webapp.api import lists, schemas
from webapp.api.auth import SIGNED_IN, missing, user_of
from webapp.api.lists import CURSOR, SIZE
from webapp.errors import Refused

router = Router(tags=["accounts"])


@router.post("/users", response={201: schemas.UserOut}, auth=None)
def sign_up(request: HttpRequest, body: schemas.SignUp) -> Status[schemas.UserOut]:
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
    if user.email:
        addresses.send(user, site=request.build_absolute_uri("/"))
    return Status(201, _me(user))


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


@router.get("/tokens", response=list[schemas.TokenRow], auth=SIGNED_IN)
def my_tokens(
    request: HttpRequest, response: HttpResponse, cursor: str = CURSOR, size: int = SIZE
) -> list[schemas.TokenRow]:
    """Your tokens that work, the newest first. The Link header names the next page."""
    working = user_of(request).tokens.filter(revoked__isnull=True)
    rows = lists.page(request, response, working, cursor=cursor, size=size)
    plain = schemas.TokenRow.model_fields
    return [schemas.TokenRow(**{name: getattr(row, name) for name in plain}) for row in rows]


@router.delete("/tokens/{prefix}", response={204: None}, auth=SIGNED_IN)
def revoke_token(request: HttpRequest, prefix: str) -> Status[None]:
    """Make one of your tokens worthless, also the one that asks."""
    user = user_of(request)
    row = user.tokens.filter(prefix=prefix, revoked__isnull=True).first()
    if row is None:
        raise missing("token", prefix)
    services.revoke_token(row, by=user)
    return Status(204, None)


@router.get("/users/me", response=schemas.UserOut, auth=SIGNED_IN)
def who_am_i(request: HttpRequest) -> schemas.UserOut:
    """The user that the token or session belongs to."""
    return _me(user_of(request))


@router.put("/users/me/email", response=schemas.UserOut, auth=SIGNED_IN)
def set_email(request: HttpRequest, body: schemas.MailIn) -> schemas.UserOut:
    """Change the address for a forgotten password. A link that confirms it is mailed there."""
    user = user_of(request)
    try:
        if body.email:
            validate_email(body.email)
    except ValidationError as error:
        raise Refused(f"email is {body.email!r}: {' '.join(error.messages)}") from None
    User.objects.filter(pk=user.pk).update(email=body.email)
    user = User.objects.get(pk=user.pk)
    if user.email and not addresses.is_confirmed(user):
        addresses.send(user, site=request.build_absolute_uri("/"))
    return _me(user)


@router.put("/users/me/password", response={204: None}, auth=SIGNED_IN)
def set_password(request: HttpRequest, body: schemas.NewPassword) -> Status[None]:
    """Change your password. Sessions end; tokens go on."""
    user = user_of(request)
    if not user.check_password(body.password):
        raise HttpError(403, "the password is wrong; nothing was changed")
    _set_password(user, body.new_password)
    return Status(204, None)


@router.post("/users/email-confirmations", response=schemas.UserOut, auth=None)
def confirm_email(request: HttpRequest, body: schemas.MailToken) -> schemas.UserOut:
    """Confirm an account's address with what the mailed link ends with."""
    user = addresses.owner_of(body.token)
    if user is None:
        raise HttpError(410, "this link confirms nothing (any more); have another one sent")
    addresses.confirm(user)
    return _me(user)


@router.post("/users/forgotten-password", response={204: None}, auth=None)
def forgotten_password(request: HttpRequest, body: schemas.MailIn) -> Status[None]:
    """Have a link for a new password mailed. The answer is the same whoever has the address."""
    passwords.send_link(body.email, request=request)
    return Status(204, None)


@router.post("/users/new-password", response={204: None}, auth=None)
def new_password(request: HttpRequest, body: schemas.PasswordLink) -> Status[None]:
    """Choose a new password with the two parts that the mailed link ends with; it works once."""
    user = passwords.owner_of(body.uid, body.token)
    if user is None:
        raise HttpError(410, "this link changes no password (any more); have another one sent")
    _set_password(user, body.new_password)
    return Status(204, None)


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None
    user.set_password(password)
    user.save(update_fields=["password"])


def _me(user: User) -> schemas.UserOut:
    return schemas.UserOut(
        username=user.username, email=user.email, email_confirmed=addresses.is_confirmed(user)
    )


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
