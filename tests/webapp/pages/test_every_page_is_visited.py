"""A new page must be looked at in the browser tests, or say why it is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from tests.browser.pages import NO_PAGES, PAGES, STAFF

# Whole branches that are other people's pages, or no pages: only their first page is ours.
_FOREIGN = ("admin/rq/",)


def routes(patterns: Iterable[URLPattern | URLResolver], head: str = "") -> Iterator[str]:
    for one in patterns:
        path = head + str(one.pattern)
        if isinstance(one, URLResolver):
            if one.app_name == "admin":
                yield path
            else:
                yield from routes(one.url_patterns, path)
        else:
            yield path


def test_every_route_is_visited_or_is_no_page() -> None:
    found = {
        route
        for route in routes(get_resolver().url_patterns)
        if not route.startswith(_FOREIGN)
        and (not route.startswith("api/") or route in {"api/v1/docs", "api/v1/openapi.json"})
    }
    visited = {visit.route for visit in (*PAGES, *STAFF)}
    assert found - visited - set(NO_PAGES) == set()
    assert visited - found == set()
    assert set(NO_PAGES) - found == set()


def test_screenshots_do_not_overwrite_each_other() -> None:
    names = [visit.name for visit in (*PAGES, *STAFF)]
    assert len(names) == len(set(names))
