"""What a search says in the end. A pure function over its arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from devices import statistics
from devices.statistics import MODELLED_TIE
from engine import arms as naming
from engine.arms import Arm, Limits
from engine.documents import Document, FiguresKind
from engine.errors import EngineError

# How an NPU target's option "lowering" turns SiLU into operators: most of what a ratio says there.
LOWERINGS = {"tflite": "LOGISTIC + MUL", "table": "one table"}

VerdictKind = Literal[
    "mix", "uniform", "goal_missed", "no_significant_gain", "inconclusive", "cost_study"
]


class Verdict(Document):
    """The answer.

    - ``mix``: the chosen mix is faster, within the limits, and beats every uniform model;
    - ``uniform``: a uniform model is as good as the best mix, so it is recommended;
    - ``goal_missed``: nothing within the limits reaches the latency goal; the fastest is chosen;
    - ``no_significant_gain``: keep the original; ``reasons`` say why nothing else is offered;
    - ``inconclusive``: nothing can be claimed, e.g. a gain below the device's noise floor;
    - ``cost_study``: no accuracy was measured; the fastest mix is shown.

    ``chosen`` names an arm, or is None where there is none to name. ``reasons`` are one-line
    sentences, the most important first.
    """

    kind: VerdictKind
    chosen: str | None
    sentence: str
    reasons: list[str]
    goal_met: bool | None = None


def decide(
    arms: Sequence[Arm],
    *,
    limits: Limits,
    target: str,
    kind: FiguresKind,
    noise_floor: float,
    images: int | None = None,
) -> Verdict:
    """The verdict over the arms of one search on one target.

    ``noise_floor`` is how far from 1 the ratio of a model to itself gets on this device (0 where
    modelled); ``images`` is the size of the test split behind the mAP figures. Losses must have
    been filled in; an arm without one is within no loss limit.
    *Faster* is what :func:`devices.statistics.claim` calls so.

    Raises:
        EngineError: figures are emulated, or a measured ratio has no interval.
    """
    return _Case(arms, limits, target, kind, noise_floor, images).verdict()


class _Case:
    """The arms with the rules of one target."""

    def __init__(
        self,
        arms: Sequence[Arm],
        limits: Limits,
        target: str,
        kind: FiguresKind,
        noise_floor: float,
        images: int | None,
    ) -> None:
        if kind == "emulated":
            raise EngineError(f"{target}: emulated latency decides nothing; measure or model it")
        for arm in arms:
            if kind == "measured" and arm.latency_ratio is not None and arm.ratio_ci is None:
                raise EngineError(f"arm {arm.name!r} on {target} has a ratio without an interval")
        self.arms = [a for a in arms if a.name != naming.UPLOADED and a.latency_ratio is not None]
        self.limits, self.target, self.kind = limits, target, kind
        self.floor, self.images = noise_floor, images
        self.keep = naming.reference_of(self.arms)
        self.candidates = [a for a in self.arms if a.is_candidate]
        said = (a.details["lowering"] for a in self.arms if "lowering" in a.details)
        self.lowering = next((LOWERINGS[name] for name in said), None)

    def verdict(self) -> Verdict:
        if self.candidates and all(a.loss is None for a in self.candidates):
            return self._cost_study()
        fast = [a for a in self.candidates if self.faster(a)]
        within = [a for a in fast if self.broken(a) is None]
        if within:
            return self._choose(within)
        below = [a for a in self.candidates if self.below_floor(a) and self.broken(a) is None]
        if not below:
            return self._no_gain(fast)
        best = min(below, key=ratio)
        return self._say(
            "inconclusive",
            self.keep,
            f"No claim on {self.target}: the gain of {best.name} is below the noise floor",
            [
                f"{best.name}: {self.gain(best)}; two runs of the same model differ by up "
                f"to {100 * self.floor:.1f} % on this device"
            ],
        )

    def _choose(self, within: list[Arm]) -> Verdict:
        mixes = [a for a in within if a.is_mix]
        # An upload that already runs a fast activation everywhere is a uniform model, too.
        kept = [self.keep] if self.keep is not None and self.faster(self.keep) else []
        uniforms = [a for a in within if a.is_uniform] + kept
        mix = min(mixes, key=ratio, default=None)
        uniform = min(uniforms, key=ratio, default=None)
        reasons = []
        if mix is not None and (uniform is None or not self.as_good(uniform, mix)):
            chosen, answer = mix, "mix"
            if uniform is not None:
                reasons.append(f"the best uniform model within the limits: {self.line(uniform)}")
        else:
            assert uniform is not None  # one of them exists: within is not empty
            chosen, answer = uniform, "uniform"
            if mix is not None:
                reasons.append(
                    f"{uniform.name} is as good as the best mix within the limits: {self.line(mix)}"
                )
        reasons += self._too_lossy(chosen)
        goal = self.limits.max_latency_ratio
        if goal is not None and ratio(chosen) > goal:
            reasons.insert(
                0,
                f"nothing within the limits reaches the goal of {goal:g}; {chosen.name} is the "
                f"fastest, at {ratio(chosen):.3f}",
            )
            sentence = f"{self.figures(chosen)}. Goal of {goal:g} missed"
            return self._say("goal_missed", chosen, sentence, reasons)
        return self._say(answer, chosen, self.figures(chosen), reasons)

    def _no_gain(self, fast: list[Arm]) -> Verdict:
        runs_relu = [a for a in self.arms if a.assignment.uniform_activation == "relu"]
        relu = min(runs_relu, key=ratio, default=None)
        if fast:
            reasons = [f"{a.name}: {self.gain(a)}, but {self.broken(a)}" for a in fast]
            why = "every faster candidate breaks a limit"
        elif relu is not None and not self._other_lease(relu):
            said = self.gain(relu) if relu.is_candidate else "what the original is already"
            reasons = [f"no candidate is faster; uniform ReLU: {said}"]
            why = "uniform ReLU gains nothing either"
        else:
            missing = "was not measured" if relu is None else "was measured in another lease"
            return self._say(
                "inconclusive",
                self.keep,
                f"No claim on {self.target}: no candidate is faster",
                [f"uniform ReLU {missing}, so that nothing says whether this target can gain"],
            )
        return self._say(
            "no_significant_gain",
            self.keep,
            f"No significant gain on {self.target}: {why}",
            reasons,
        )

    def _cost_study(self) -> Verdict:
        mixes = [a for a in self.candidates if a.is_mix] or self.candidates
        chosen = min(mixes, key=ratio)
        reasons = ["no accuracy was measured, so that no loss limit could be checked"]
        return self._say(
            "cost_study", chosen, f"Cost study: {self.gain(chosen)} on {self.target}", reasons
        )

    def _say(
        self, kind: VerdictKind | str, chosen: Arm | None, sentence: str, reasons: list[str]
    ) -> Verdict:
        goal = self.limits.max_latency_ratio
        if self.lowering is not None:
            sentence += f"; SiLU lowered as {self.lowering}"
        return Verdict.model_validate(
            {
                "kind": kind,
                "chosen": None if chosen is None else chosen.name,
                "sentence": sentence,
                "reasons": reasons,
                "goal_met": None if goal is None or chosen is None else ratio(chosen) <= goal,
            }
        )

    def claim(self, arm: Arm) -> statistics.Claim:
        """What may be said of the arm against the standard activation."""
        modelled = self.kind == "modelled"
        low, high = (ratio(arm), ratio(arm)) if modelled else interval(arm)
        floor = MODELLED_TIE if modelled else self.floor
        return statistics.claim(ratio(arm), low=low, high=high, floor=floor)

    def faster(self, arm: Arm) -> bool:
        """Whether the arm is faster than the standard activation, surely."""
        return self.claim(arm) == "faster"

    def below_floor(self, arm: Arm) -> bool:
        """Whether the interval lies below 1, but nearer to it than the device can tell."""
        return self.kind == "measured" and interval(arm)[1] < 1 and not self.faster(arm)

    def as_good(self, uniform: Arm, mix: Arm) -> bool:
        """Whether the uniform model may stand for the mix: it is faster, or as fast and no lossier
        than can be told apart; and it does not miss a goal that the mix meets."""
        goal = self.limits.max_latency_ratio
        if goal is not None and ratio(mix) <= goal < ratio(uniform):
            return False
        if self.surely_faster(mix, uniform):
            return False
        if self.surely_faster(uniform, mix) or uniform.loss is None or mix.loss is None:
            return True
        return uniform.loss <= (mix.loss if mix.loss_ci is None else mix.loss_ci[1])

    def surely_faster(self, a: Arm, b: Arm) -> bool:
        """Whether ``a`` is faster than ``b`` beyond what this target can tell apart."""
        if self.kind == "modelled":
            return ratio(a) * (1 + MODELLED_TIE) < ratio(b)
        return interval(a)[1] < interval(b)[0] and ratio(b) - ratio(a) >= self.floor

    def broken(self, arm: Arm) -> str | None:
        """Which limit the arm breaks, in words; None if it keeps them all."""
        most, memory = self.limits.max_map_loss, self.limits.max_memory_ratio
        if most is not None and arm.loss is None:
            return f"its loss is not known (limit {most:g})"
        if most is not None and arm.loss is not None and arm.loss > most:
            return f"loses {arm.loss:.4f} mAP50-95 (limit {most:g})"
        if memory is not None and arm.memory_ratio is None:
            return f"its memory is not known (limit {memory:g})"
        if memory is not None and arm.memory_ratio is not None and arm.memory_ratio > memory:
            return f"needs {arm.memory_ratio:.3f} of the memory (limit {memory:g})"
        return None

    def gain(self, arm: Arm) -> str:
        """The latency figure in words: "19 % (18.1-19.9) faster"."""
        if self.kind == "modelled":
            table = arm.one_table_ratio
            beside = "" if table is None else f"; {_percent(table)} with SiLU as one table"
            if self.claim(arm) == "same":
                return (
                    f"ratio {ratio(arm):.3f} (modelled{beside}) is within {MODELLED_TIE:.0%} of 1"
                )
            return f"{_percent(ratio(arm))} (modelled{beside})"
        percent = 100 * (1 - ratio(arm))
        word = "faster" if percent >= 0 else "slower"
        number = _percent(ratio(arm)).removesuffix(f" {word}")
        if self.claim(arm) != "same":
            low, high = sorted(abs(100 * (1 - x)) for x in interval(arm))
            return f"{number} ({low:.1f}-{high:.1f}) {word}"
        low, high = interval(arm)
        text = f"ratio {ratio(arm):.3f} ({low:.3f}-{high:.3f})"
        return f"{text} reaches 1" if low <= 1 <= high else f"{text} is within the noise floor"

    def accuracy(self, arm: Arm) -> str:
        """The accuracy figure in words: "mAP50-95 -0.002 (-0.005 to +0.001), n = 300 images"."""
        if arm.loss is None:
            return "accuracy not measured"
        text = f"mAP50-95 {_signed(-arm.loss)}"
        if arm.loss_ci is not None:
            low, high = arm.loss_ci
            text += f" ({_signed(-high)} to {_signed(-low)})"
        return text + (f", n = {self.images} images" if self.images else "")

    def line(self, arm: Arm) -> str:
        return f"{arm.name}, {self.gain(arm)}, {self.accuracy(arm)}"

    def figures(self, arm: Arm) -> str:
        return f"{self.gain(arm)} on {self.target}; {self.accuracy(arm)}"

    def _too_lossy(self, chosen: Arm) -> list[str]:
        beyond = [a for a in self.candidates if ratio(a) < ratio(chosen)]
        said = [(a, self.broken(a)) for a in sorted(beyond, key=ratio)]
        return [f"{a.name}: {self.gain(a)}, but {why}" for a, why in said if why]

    def _other_lease(self, relu: Arm) -> bool:
        leases = {a.lease for a in self.candidates if a.lease is not None}
        return relu.lease is not None and leases != {relu.lease}


def ratio(arm: Arm) -> float:
    """The arm's latency ratio, which every arm of a case has."""
    assert arm.latency_ratio is not None
    return arm.latency_ratio


def interval(arm: Arm) -> tuple[float, float]:
    """The interval of a measured ratio, which was checked to be there."""
    assert arm.ratio_ci is not None
    return arm.ratio_ci


def _percent(ratio: float) -> str:
    """``19 % faster`` for .81."""
    percent = 100 * (1 - ratio)
    size = abs(percent)
    number = f"{size:.0f}" if size > 9.95 else f"{size:.1f}"
    return f"{number} % {'faster' if percent >= 0 else 'slower'}"


def _signed(value: float) -> str:
    text = f"{value:+.3f}"
    return "0.000" if text in ("+0.000", "-0.000") else text
