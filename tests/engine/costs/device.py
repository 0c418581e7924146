"""A pretended device whose true cost is a formula: sites, neighbours, noise."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from devices.assignment import Assignment
from devices.protocol import (
    ArmResult,
    File,
    Interval,
    MeasureJob,
    MeasureResult,
    Provenance,
    SiteTime,
)
from engine.costs import Setup, mixes

ACTIVATIONS = ("relu", "silu", "mish", "hardswish")
SHARE = {"silu": 1.0, "relu": 0.6, "mish": 1.5, "hardswish": 0.8, "gelu": 1.2}
SLOWDOWN = 1.25  # of a profiled run


@dataclass
class Device:
    """``noise`` is the relative spread of a measured latency, ``beside`` what two different
    activations on neighbouring sites cost together, as a share of the original's latency; ``gain``
    scales how much activations differ; a block has ``per_block`` sites. ``asked`` collects the
    names of the arms of each job."""

    sites: int = 24
    noise: float = 0.0
    beside: Mapping[frozenset[str], float] = field(default_factory=dict)
    gain: float = 1.0
    per_block: int = 1
    asked: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(11)
        blocks = [divmod(n, self.per_block) for n in range(self.sites)]
        inner = "m.{}.act" if self.per_block > 1 else "act"
        names = [f"model.{block}.{inner.format(n)}" for block, n in blocks]
        self.original = Assignment.uniform(names, "silu")
        size = rng.lognormal(0.0, 0.7, self.sites)
        self._size = dict(zip(names, size / size.sum(), strict=True))
        self._own = {
            (site, name): 1.0 + self.gain * (share - 1.0) * rng.uniform(0.7, 1.3)
            for site in names
            for name, share in SHARE.items()
        }

    def true_ms(self, mix: Assignment) -> float:
        """What a mix really takes: 10 ms of rest, 10 ms of sites in SiLU, and its neighbours."""
        pairs = itertools.pairwise(mix.activations)
        between = sum(self.beside.get(frozenset(pair), 0.0) for pair in pairs)
        return 10.0 + sum(self._site_ms(s, a) for s, a in mix) + 20.0 * between

    def _site_ms(self, site: str, activation: str) -> float:
        return 10.0 * self._size[site] * self._own[site, activation]

    def true_ratio(self, mix: Assignment) -> float:
        return self.true_ms(mix) / self.true_ms(self.original)

    def measure(self, job: MeasureJob) -> MeasureResult:
        """The job's result; the noise is the same for the same job."""
        self.asked.append([arm.name for arm in job.arms])
        rng = np.random.default_rng(len(job.arms) + len(job.id))
        base_ms, found = self.true_ms(self.original), []
        for arm in job.arms:
            assert arm.assignment is not None
            mix = Assignment.from_mapping(arm.assignment)
            off = 0.0 if arm.name == job.baseline else rng.normal(0.0, self.noise)
            ratio = self.true_ratio(mix) * (1.0 + off)
            times = {s: SLOWDOWN * self._site_ms(s, a) for s, a in mix}
            profile = [
                SiteTime(site=s, ms=ms * (1.0 + rng.normal(0.0, self.noise)))
                for s, ms in times.items()
            ]
            profile.append(SiteTime(site="", ms=SLOWDOWN * 10.0))
            found.append(
                ArmResult(
                    name=arm.name,
                    file_sha256="0" * 64,
                    latency_ms=ratio * base_ms,
                    ratio=ratio,
                    ratio_interval=Interval(
                        low=ratio * (1 - 2 * self.noise), high=ratio * (1 + 2 * self.noise)
                    ),
                    samples_ms=[],
                    profile=profile if job.profile else None,
                )
            )
        return MeasureResult(
            job_id=job.id,
            target=job.target,
            kind="measured",
            baseline=job.baseline,
            arms=found,
            stopped="interval",
            provenance=Provenance(
                harness="1", machine={}, versions={}, started_at="", seconds=0.5 * len(found)
            ),
        )

    def setup(self, original: Assignment | None = None, seed: int = 0) -> Setup:
        """What a cost model is given to fill the table of this device."""
        return Setup(
            measure=self.measure,
            target="cpu-onnxruntime-fp32",
            base=File(path="base.onnx", sha256="0" * 64),
            original=original or self.original,
            activations=ACTIVATIONS,
            seed=seed,
        )

    def unseen(self, n: int = 40) -> list[Assignment]:
        """Mixes that no cost model has drawn."""
        return mixes.draw(self.original, ACTIVATIONS, n, seed=987_654)
