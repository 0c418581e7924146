"""Ranks that are kept as entries come and go are those that the rule itself gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices import statistics
from tests.browser import factories
from tests.webapp.leaderboard.conftest import Crowd
from tests.webapp.pages.conftest import World
from webapp.leaderboard import services
from webapp.leaderboard.models import Entry, Ranking

NPU = "npu-ethos-u55-128-int8"


def by_the_rule(entry: Entry) -> dict[str, int]:
    """The ranks of the whole ranking of ``entry`` from devices.statistics."""
    rows = list(Entry.objects.listed().filter(ranking=entry.ranking))
    figures = [
        statistics.Ranked(
            latency=row.latency_ms,
            latency_low=row.latency_ms * (row.ratio_low or row.ratio) / row.ratio,
            latency_high=row.latency_ms * (row.ratio_high or row.ratio) / row.ratio,
            score=row.map50_95,
            score_low=row.map50_95 if row.map_low is None else row.map_low,
            score_high=row.map50_95 if row.map_high is None else row.map_high,
            floor=row.noise_floor or 0.0,
            modelled=row.kind == "modelled",
        )
        for row in rows
    ]
    return dict(zip([row.pk for row in rows], statistics.ranks(figures), strict=True))


def stored(entry: Entry) -> dict[str, int | None]:
    rows = Entry.objects.filter(ranking=entry.ranking, withdrawn=None)
    return dict(rows.values_list("pk", "rank"))


@pytest.mark.parametrize("modelled", [False, True])
def test_ranks_follow_the_rule_through_arrivals_and_withdrawals(
    world: World, crowd: Callable[[Entry], Crowd], modelled: bool
) -> None:
    entry = world.entry(1)
    if modelled:
        asked = factories.request(
            world.alice, world.model, world.data, name="Tea", target_ids=[NPU]
        )
        _, (entry, *_) = factories.finished_search(asked, NPU, factories.pool()[1], seed=1)
    made = crowd(entry).more(25)
    assert stored(entry) == by_the_rule(entry)
    assert len(set(stored(entry).values())) > 5  # the draw is a ranking, not one tie
    for gone in made[::3]:
        services.withdraw(gone, by=world.alice, reason="asleep")
    assert stored(entry) == by_the_rule(entry)
    services.delete(Entry.objects.filter(pk__in=[row.pk for row in made[1::3]]))
    assert stored(entry) == by_the_rule(entry)


def test_a_noisy_lease_is_published_with_its_flag_and_its_floor(world: World) -> None:
    entry = world.entry(1)
    assert not entry.noisy
    search = entry.search
    search.result = {**(search.result or {}), "noisy": True, "noise_floor": 0.04}
    services.delete(Entry.objects.filter(search=search))
    again, *_ = services.publish(search)
    assert (again.noisy, again.noise_floor) == (True, 0.04)


def test_what_noise_could_have_made_shares_a_rank(
    world: World, crowd: Callable[[Entry], Crowd]
) -> None:
    """Intervals of 0.2 % tell 8.0 from 8.2 ms; on a device that tells a model from itself by 2 %
    they say nothing."""
    crew = crowd(world.entry(1))
    score = {"map50_95": 0.9, "map_low": 0.89, "map_high": 0.91}  # above all others
    narrow = {"ratio_low": 0.799, "ratio_high": 0.801, "ratio": 0.8}
    sharp = [crew.more(1, latency_ms=ms, noise_floor=0.002, **narrow, **score) for ms in (8.2, 8.0)]
    dull = [crew.more(1, latency_ms=ms, noise_floor=0.02, **narrow, **score) for ms in (6.0, 6.2)]
    ranks = stored(sharp[0][0])
    assert [ranks[entry.pk] for (entry,) in dull] == [1, 1]
    assert [ranks[entry.pk] for (entry,) in sharp] == [4, 3]


def test_a_ranking_knows_what_it_holds(world: World, crowd: Callable[[Entry], Crowd]) -> None:
    entry = world.entry(1)
    made = crowd(entry).more(3, family="YOLO11n", met=True)
    held = Ranking.objects.get(pk=entry.ranking_id)
    assert held.entries == 4
    assert held.families == {"YOLO11n": 3, entry.family: 1}
    assert (held.holds(met=True), held.holds("YOLO11n", met=True)) == (3 + entry.met, 3)
    assert held.most_used == [[entry.detector_id, 4]]
    services.withdraw(made[0], by=world.alice, reason="asleep")
    after = Ranking.objects.get(pk=entry.ranking_id)
    assert (after.entries, after.families["YOLO11n"]) == (3, 2)
    assert after.version != held.version


def test_a_private_entry_is_in_no_total_and_moves_nobody(world: World) -> None:
    entry = world.entry(1)
    hidden = world.entry(2, public=False)
    assert hidden.ranking == entry.ranking
    services.withdraw(hidden, by=world.alice, reason="asleep")
    entry.refresh_from_db()
    assert (entry.rank, Ranking.objects.get(pk=entry.ranking_id).entries) == (1, 1)
