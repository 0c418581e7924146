"""Entries that show a word: in their name, their arm, their family, their target, their owner.

Names and arms are many, and a trigram index finds words in them (PostgreSQL; migration 0012).
Families, targets and owners are few, so that those with the word are looked up first: then every
part of the condition has an index, where one about columns of two tables could use none.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db.models import Q

from webapp.leaderboard.models import Ranking

_MOST_OWNERS = 500


def shows(word: str, *, places: Sequence[Ranking]) -> Q:
    """The condition on entries of the rankings ``places``; upper and lower case are one."""
    upper = word.upper()
    whole = [place.pk for place in places if upper in place.target.upper()]
    if len(whole) == len(places):
        return Q()
    found = Q(name__icontains=word) | Q(arm__icontains=word)
    if whole:
        found |= Q(ranking__in=whole)
    return found | in_family(word, places=places) | _of_owners(word)


def in_family(word: str, *, places: Sequence[Ranking]) -> Q:
    """Those whose family has the word."""
    upper = word.upper()
    families = {family for place in places for family in place.families if upper in family.upper()}
    if not families:
        return Q(pk__in=[])
    holding = [place.pk for place in places if families & place.families.keys()]
    return Q(ranking__in=holding, family__in=sorted(families))


def _of_owners(word: str) -> Q:
    people = User.objects.filter(username__icontains=word).order_by("pk")
    known = list(people.values_list("pk", flat=True)[: _MOST_OWNERS + 1])
    return Q(owner__in=known) if len(known) <= _MOST_OWNERS else Q(owner__username__icontains=word)
