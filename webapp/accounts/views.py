"""Pages of one's own account."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts import addresses, quotas, services
from webapp.accounts.forms import DeleteForm, MailForm, SignUpForm, TokenForm
from webapp.catalog import contained
from webapp.errors import Refused
from webapp.ui.people import signed_in

_RECENT = 50


class SignIn(LoginView):
    """Django's own; too many tries are answered 429 with the seconds to wait."""

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_invalid(form)
        wait_s = getattr(form, "wait_s", None)
        if wait_s is not None:
            answer.status_code = 429
            answer.headers["Retry-After"] = str(wait_s)
        return answer


@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """A new account, signed in at once; where sign-up is closed, why."""
    if not settings.SIGN_UP:
        known = {"uploads_contained": contained.configured()}
        return render(request, "accounts/sign_up_closed.html", known, status=403)
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        login(request, user)
        if user.email:
            _send_confirmation(request, user)
        return redirect("accounts:dashboard")
    return render(request, "accounts/sign_up.html", {"form": form})


@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """One's own models, data sets, searches and entries."""
    user = signed_in(request)
    context = {
        "models": user.detectors.defer("names", "sites", "original")[:_RECENT],
        "data_sets": user.datasets.defer("names", "boxes")[:_RECENT],
        "requests": user.requests.select_related("detector").prefetch_related("searches__job")[
            :_RECENT
        ],
        "quotas": quotas.quotas_of(user),
        "unconfirmed": bool(user.email) and not addresses.is_confirmed(user),
        "entries": user.entries.standing().defer("arms", "assignment", "files")[:_RECENT],
    }
    return render(request, "accounts/dashboard.html", context)


@login_required
@require_safe
def password_changed(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Your password was changed.")
    return redirect("accounts:dashboard")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """API tokens; a new one's text is in the answer to its creation and nowhere else."""
    user = signed_in(request)
    form = TokenForm(request.POST or None)
    text = ""
    if request.method == "POST" and form.is_valid():
        _, text = services.issue_token(
            user=user, name=form.cleaned_data["name"], scopes=form.cleaned_data["scopes"]
        )
        form = TokenForm()
    context = {"form": form, "text": text, "tokens": user.tokens.filter(revoked__isnull=True)}
    return render(request, "accounts/tokens.html", context)


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    user = signed_in(request)
    token = get_object_or_404(user.tokens, pk=token_id)
    services.revoke_token(token, by=user)
    messages.success(request, f"The token {token.name} works no more.")
    return redirect("accounts:tokens")


@login_required
@require_http_methods(["GET", "POST"])
def mail(request: HttpRequest) -> HttpResponse:
    """The address to which a link for a forgotten password goes."""
    form = MailForm(request.POST or None, instance=User.objects.get(pk=signed_in(request).pk))
    if request.method == "POST" and form.is_valid():
        user = form.save()
        messages.success(request, "Your e-mail address was saved.")
        if user.email and not addresses.is_confirmed(user):
            _send_confirmation(request, user)
        return redirect("accounts:dashboard")
    context = {"form": form, "title": "Your e-mail address", "submit": "Save it"}
    return render(request, "accounts/form.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def send_confirmation(request: HttpRequest) -> HttpResponse:
    """Mail the link that confirms the account's address once more."""
    user = signed_in(request)
    if user.email:
        _send_confirmation(request, user)
    return redirect("accounts:dashboard")


@never_cache
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """What the mailed link opens. Only its button confirms: mail scanners open links, too."""
    owner = addresses.owner_of(token)
    if request.method == "POST" and owner is not None:
        addresses.confirm(owner)
        messages.success(request, f"The address {owner.email} is confirmed.")
        return redirect("accounts:dashboard")
    status = 200 if owner is not None else 410
    return render(request, "accounts/confirm.html", {"owner": owner}, status=status)


def _send_confirmation(request: HttpRequest, user: User) -> None:
    if addresses.send(user, site=request.build_absolute_uri("/")):
        messages.info(request, f"A link that confirms your address was sent to {user.email}.")
    else:
        messages.warning(request, "The link that confirms your address could not be sent now.")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """Delete the account with everything in it, after the password was typed once more."""
    user = signed_in(request)
    form = DeleteForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        try:
            services.delete_account(user, by=user)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            logout(request)
            messages.success(request, "Your account and everything in it were deleted.")
            return redirect("leaderboard:index")
    context = {"form": form, "belongings": services.belongings(user)}
    return render(request, "accounts/delete.html", context, status=422 if form.errors else 200)
