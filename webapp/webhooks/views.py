"""Pages of one's own webhooks."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.errors import Refused
from webapp.ui.people import signed_in
from webapp.webhooks import services
from webapp.webhooks.forms import WebhookForm
from webapp.webhooks.models import Webhook

_RECENT = 20


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """One's webhooks; a new one's secret is in the answer to its creation."""
    user = signed_in(request)
    form = WebhookForm(request.POST or None)
    made = None
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create(
                owner=user, url=form.cleaned_data["url"], site=request.build_absolute_uri("/")
            )
        except Refused as error:
            form.add_error("url", str(error))
        else:
            form = WebhookForm()
    context = {
        "form": form,
        "made": made,
        "webhooks": user.webhooks.all(),
        "most": services.MOST,
    }
    status = 422 if form.errors else 200
    return render(request, "webhooks/list.html", context, status=status)


@login_required
@require_safe
def webhook(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """One webhook and its latest deliveries."""
    return _page(request, _own(request, webhook_id))


@login_required
@require_POST
def test(request: HttpRequest, webhook_id: str) -> HttpResponse:
    row = _own(request, webhook_id)
    try:
        services.send_test(row)
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The test is on its way; reload the page to see how it went.")
    return redirect("webhooks:webhook", row.pk)


@login_required
@never_cache
@require_POST
def secret(request: HttpRequest, webhook_id: str) -> HttpResponse:
    """A new secret; its text is in this answer and nowhere else."""
    row = _own(request, webhook_id)
    return _page(request, row, secret=services.renew_secret(row))


@login_required
@require_POST
def delete(request: HttpRequest, webhook_id: str) -> HttpResponse:
    row = _own(request, webhook_id)
    services.delete(row)
    messages.success(request, f"{row.url} is told nothing any more.")
    return redirect("webhooks:list")


def _own(request: HttpRequest, webhook_id: str) -> Webhook:
    return get_object_or_404(signed_in(request).webhooks, pk=webhook_id)


def _page(request: HttpRequest, row: Webhook, *, secret: str = "") -> HttpResponse:
    context = {
        "webhook": row,
        "secret": secret,
        "deliveries": row.deliveries.select_related("search")[:_RECENT],
    }
    return render(request, "webhooks/webhook.html", context)
