"""Accounts: sign up, and get a token."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Router, Status
from ninja.errors import HttpError

from webapp.accounts import addresses, quotas, services
from webapp.accounts.choices import Scope
from webapp.api import schemas
from webapp.api.auth import SIGNED_IN, missing, user_of
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
def my_tokens(request: HttpRequest) -> list[schemas.TokenRow]:
    """Your tokens that work, the newest first."""
    plain = schemas.TokenRow.model_fields
    return [
        schemas.TokenRow(**{name: getattr(row, name) for name in plain})
        for row in user_of(request).tokens.filter(revoked__isnull=True)
    ]


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
    try:
        validate_password(body.new_password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None
    user.set_password(body.new_password)
    user.save(update_fields=["password"])
    return Status(204, None)


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
