"""Template tags and filters of every page: ``{% load ui %}``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django import template
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.template import engines
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from devices.targets import Target
from webapp.catalog.models import Upload
from webapp.leaderboard.rows import Row, arm_title, bound
from webapp.searches.following import BADGES
from webapp.ui import cdn as files
from webapp.ui import figures, svg, theme
from webapp.ui.svg.mix import title as activation_title
from webapp.ui.svg.mix import words

register = template.Library()

for _filter in (
    figures.ms,
    figures.ratio,
    figures.memory,
    figures.number,
    figures.signed,
    figures.percent,
    figures.size,
    figures.duration,
    figures.about,
):
    register.filter(_filter.__name__, _filter)

register.filter("mix_bar", svg.bar)
register.filter("mix_words", words)
register.filter("swatch", svg.swatch)
register.filter("curve", svg.curve)
register.filter("activation", activation_title)
register.filter("arm_title", arm_title)


@register.simple_tag(takes_context=True)
def jinja(context: template.Context, name: str) -> SafeString:
    """The Jinja2 template ``name``, rendered with all that the page knows; see webapp.ui.jinja."""
    known = {str(key): value for key, value in context.flatten().items()}
    return SafeString(engines["jinja2"].get_template(name).render(known))


@register.simple_tag
def span(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval in words: ``0.858-0.871``."""
    return figures.span(low, high, digits)


@register.filter
def one_table(ratio: float | str | None) -> SafeString:
    """Below an NPU's latency ratio: the one against SiLU as a single table; nothing elsewhere (a
    template's word for what a document lacks is "")."""
    if not isinstance(ratio, float):
        return SafeString("")
    return format_html('<span class="sub">{} with SiLU as one table</span>', figures.ratio(ratio))


@register.simple_tag
def ratio_drawing(row: Row, scale: tuple[float, float]) -> SafeString:
    """A row's latency ratio with its interval, on the axis ``scale`` of its column."""
    entry = row.entry
    return svg.interval(
        entry.ratio,
        low=bound(entry.ratio_low, entry.ratio),
        high=bound(entry.ratio_high, entry.ratio),
        scale=scale,
        reference=1.0,
        label="Latency ratio",
    )


@register.simple_tag
def cdn(name: str) -> SafeString:
    """The script element of a library in ``webapp.ui.cdn``, with its integrity hash."""
    return format_html(
        '<script src="{}" integrity="{}" crossorigin="anonymous" defer></script>',
        files.url(name),
        files.FILES[name].integrity,
    )


@register.simple_tag
def cdn_later(name: str) -> SafeString:
    """A link that fetches a library and names it to ``library`` in site.js, which runs it."""
    return format_html(
        '<link rel="preload" as="script" data-library="{}" href="{}" integrity="{}" '
        'crossorigin="anonymous" fetchpriority="low">',
        name,
        files.url(name),
        files.FILES[name].integrity,
    )


@register.simple_tag
def theme_script() -> SafeString:
    """The script that sets the theme before the first paint; the policy knows its hash."""
    return SafeString(f"<script>{theme.SCRIPT}</script>")


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    """A time element: how long ago; the exact time (UTC, localised by time.js) on hover."""
    if moment is None:
        return figures.MISSING
    ago = timesince(moment, timezone.now(), depth=1)
    told = "just now" if ago.startswith("0") else f"{ago} ago"
    return SafeString(  # figures alone: nothing to escape
        f'<time datetime="{moment.isoformat(timespec="seconds")}" '
        f'title="{moment:%Y-%m-%d %H:%M} UTC">{told}</time>'
    )


@register.filter
def clock(moment: datetime | None) -> SafeString | str:
    """A time element that shows the exact time; time.js puts it into the reader's zone."""
    if moment is None:
        return figures.MISSING
    return format_html(
        '<time datetime="{}" data-clock>{} UTC</time>',
        moment.isoformat(timespec="seconds"),
        f"{moment:%Y-%m-%d %H:%M:%S}",
    )


@register.filter
def job_badge(state: str) -> SafeString:
    """The state of a job as a badge."""
    css, word = BADGES[state]
    return format_html('<span class="badge state-{}">{}</span>', css, word)


@register.filter
def kind_badge(kind: str) -> SafeString:
    """How a figure came about, as a badge: measured, modelled or emulated."""
    meanings = {
        "measured": "Timed on the hardware itself",
        "modelled": "Computed by the vendor's performance model, not timed on hardware",
        "emulated": "Run on an emulator: it works, its speed means nothing",
    }
    return format_html(
        '<span class="badge kind-{}" title="{}">{}</span>', kind, meanings.get(kind, ""), kind
    )


@register.filter
def target_kind(target: Target) -> SafeString:
    """The badge of a target's kind, and one if no such hardware has run the target yet."""
    return format_html("{}{}", kind_badge(target.kind), unverified(target))


@register.filter
def unverified(target: Target | None) -> SafeString | str:
    """A badge for a target whose code no such hardware has run yet, else nothing."""
    if target is None or target.verified:
        return ""
    return format_html(
        ' <span class="badge unverified" title="{}">{}</span>',
        "Its code is complete, but no machine with this hardware has passed its tests",
        "not yet verified on hardware",
    )


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: object) -> str:
    """This page's address with some GET parameters changed; an empty value removes one."""
    request: HttpRequest = context["request"]
    parameters = request.GET.copy()
    for name, value in changes.items():
        parameters.pop(name, None)
        if value not in (None, ""):
            parameters[name] = str(value)
    text = parameters.urlencode()
    return f"?{text}" if text else request.path


@register.filter
def here(request: HttpRequest, prefix: str) -> SafeString | str:
    """``aria-current="page"`` when this page lies below ``prefix`` (``/`` means only itself)."""
    path = request.path
    inside = (
        path == "/" or path.startswith(("/entries/", "/compare/"))
        if prefix == "/"
        else path.startswith(prefix)
    )
    return SafeString(' aria-current="page"') if inside else ""


@register.filter
def shown_to(upload: Upload, reader: User | AnonymousUser) -> bool:
    """Whether the reader may see the model or data set: a link to it is a link to nowhere else."""
    return upload.is_visible_to(reader)


@register.filter
def name_for(upload: Upload | None, reader: User | AnonymousUser) -> str:
    """What the reader is told a model or data set is called."""
    return upload.name_for(reader) if upload else ""


@register.filter
def short(text: str, length: int = 12) -> str:
    """The first digits of a hash."""
    return text[:length]


@register.filter
def activation_names(names: Sequence[str]) -> str:
    """``ReLU, SiLU and Hardswish``."""
    titles = [activation_title(name) for name in names]
    if len(titles) < 2:
        return "".join(titles)
    return f"{', '.join(titles[:-1])} and {titles[-1]}"
