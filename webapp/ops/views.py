"""What machines ask a running site: do you live, are you ready, how are you."""

from __future__ import annotations

from django.conf import settings
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from webapp.accounts.choices import Scope
from webapp.accounts.models import ApiToken
from webapp.ops import metrics as site_metrics
from webapp.ops import readiness

_METRICS_KEPT_S = 5  # several scrapers cost as much as one


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """This process answers. It asks nobody else: restarting it would not bring them back."""
    return JsonResponse({"live": True})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 or 503 with the reasons; ``?exclude=workers`` leaves a check out, as often as given."""
    left_out = request.GET.getlist("exclude")
    if unknown := set(left_out) - set(readiness.CHECKS):
        known = ", ".join(readiness.CHECKS)
        message = f"exclude={sorted(unknown)[0]}: there is no such check; known: {known}"
        return JsonResponse({"detail": message}, status=400)
    found = readiness.judge()
    reasons = found.without(left_out)
    document = {
        "ready": not reasons,
        "reasons": reasons,
        "checks": {
            name: name not in found.reasons for name in readiness.CHECKS if name not in left_out
        },
        "worker_age_s": found.queues,
    }
    return JsonResponse(document, status=503 if reasons else 200)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format; a page that does not exist for who may not read it."""
    if not (settings.METRICS or _is_staff(request)):
        raise Http404
    page = cache.get_or_set(site_metrics.__name__, site_metrics.text, _METRICS_KEPT_S)
    return HttpResponse(page, content_type=site_metrics.CONTENT_TYPE)


def _is_staff(request: HttpRequest) -> bool:
    """Whether the request carries a token of an administrator."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return False
    token = ApiToken.objects.authenticate(text.strip())
    if token is None or not (token.user.is_staff and token.allows(Scope.READ)):
        return False
    token.touch()
    return True
