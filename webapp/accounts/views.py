"""Pages of one's own account."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts.forms import SignUpForm, TokenForm
from webapp.accounts.models import ApiToken
from webapp.ui.people import signed_in

_RECENT = 50


@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """A new account, signed in at once.

    Raises:
        PermissionDenied: the administrator closed the sign-up.
    """
    if not settings.SIGN_UP:
        raise PermissionDenied("sign-up is closed on this site")
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.save())
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
        _, text = ApiToken.objects.issue(
            user=user, name=form.cleaned_data["name"], scopes=form.cleaned_data["scopes"]
        )
        form = TokenForm()
    context = {"form": form, "text": text, "tokens": user.tokens.filter(revoked__isnull=True)}
    return render(request, "accounts/tokens.html", context)


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    token = get_object_or_404(signed_in(request).tokens, pk=token_id)
    token.revoke()
    messages.success(request, f"The token {token.name} works no more.")
    return redirect("accounts:tokens")
