"""The table of decisions: arms in, answer out."""

from __future__ import annotations

from typing import Any

import pytest

from devices.assignment import Assignment
from engine.arms import Arm, Limits
from engine.documents import FiguresKind
from engine.errors import EngineError
from engine.verdict import Verdict, decide
from tests.engine.builders import SITES, arm

TARGET = "cpu-openvino-fp32"


def ask(*arms: Arm, kind: FiguresKind = "measured", floor: float = 0.004, **limits: Any) -> Verdict:
    return decide(
        [arm("uploaded", 0.5, loss=0.0), arm("reference", 1.0, width=0.0), *arms],
        limits=Limits(**{"max_map_loss": 0.015, **limits}),
        target=TARGET,
        kind=kind,
        noise_floor=floor,
        images=300,
    )


DECISIONS: list[tuple[str, list[Arm], dict[str, Any], str, str | None]] = [
    (
        "a mix that beats every uniform model",
        [arm("mix", 0.81), arm("uniform:relu", 0.86)],
        {},
        "mix",
        "mix",
    ),
    (
        "a uniform model that overlaps the mix is as good",
        [arm("mix", 0.81), arm("uniform:relu", 0.825)],
        {},
        "uniform",
        "uniform:relu",
    ),
    (
        "a uniform model whose interval is apart, but by less than the noise floor",
        [arm("mix", 0.81, width=0.001), arm("uniform:relu", 0.815, width=0.001)],
        {"floor": 0.01},
        "uniform",
        "uniform:relu",
    ),
    (
        "the faster uniform model breaks the loss limit",
        [arm("mix", 0.81, loss=0.01), arm("uniform:relu", 0.70, loss=0.02)],
        {},
        "mix",
        "mix",
    ),
    (
        "the fastest of several mixes",
        [arm("mix", 0.84), arm("mix:2", 0.80), arm("mix:3", 0.70, loss=0.05)],
        {},
        "mix",
        "mix:2",
    ),
    (
        "the goal is reached",
        [arm("mix", 0.79)],
        {"max_latency_ratio": 0.80},
        "mix",
        "mix",
    ),
    (
        "the goal is missed: the fastest within the limit",
        [arm("mix", 0.85), arm("mix:2", 0.9), arm("uniform:relu", 0.75, loss=0.1)],
        {"max_latency_ratio": 0.80},
        "goal_missed",
        "mix",
    ),
    (
        "only the mix reaches the goal, though the uniform model is near",
        [arm("mix", 0.795), arm("uniform:relu", 0.805)],
        {"max_latency_ratio": 0.80},
        "mix",
        "mix",
    ),
    (
        "uniform ReLU reaches 1, too",
        [arm("mix", 0.995), arm("uniform:relu", 0.992)],
        {},
        "no_significant_gain",
        "reference",
    ),
    (
        "every faster candidate breaks the limit",
        [arm("mix", 0.9, loss=0.02), arm("uniform:relu", 0.8, loss=0.03), arm("mix:2", 1.0)],
        {},
        "no_significant_gain",
        "reference",
    ),
    (
        "nothing is faster and nobody looked at uniform ReLU",
        [arm("mix", 0.995), arm("uniform:hardswish", 1.1)],
        {},
        "inconclusive",
        "reference",
    ),
    (
        "nothing is faster and uniform ReLU was measured in another lease",
        [arm("mix", 0.995), arm("uniform:relu", 1.0, lease="yesterday")],
        {},
        "inconclusive",
        "reference",
    ),
    (
        "a gain that is sure but below the noise floor",
        [arm("mix", 0.99, width=0.002), arm("uniform:relu", 1.0)],
        {"floor": 0.015},
        "inconclusive",
        "reference",
    ),
    (
        "an arm without a loss keeps no loss limit",
        [arm("mix", 0.8, loss=None, lease="final"), arm("uniform:relu", 0.9, loss=0.01)],
        {},
        "uniform",
        "uniform:relu",
    ),
    (
        "the memory limit is a limit",
        [arm("mix", 0.8, memory_ratio=0.95), arm("mix:2", 0.9, memory_ratio=0.85)],
        {"max_memory_ratio": 0.9},
        "mix",
        "mix:2",
    ),
    (
        "without a loss limit only speed counts",
        [arm("mix", 0.8, loss=0.3), arm("uniform:relu", 0.9, loss=0.0)],
        {"max_map_loss": None},
        "mix",
        "mix",
    ),
    (
        "without any accuracy it is a cost study",
        [arm("mix", 0.8, loss=None), arm("uniform:relu", 0.7, loss=None)],
        {},
        "cost_study",
        "mix",
    ),
]


@pytest.mark.parametrize(
    ("arms", "options", "kind", "chosen"),
    [row[1:] for row in DECISIONS],
    ids=[row[0] for row in DECISIONS],
)
def test_decisions(arms: list[Arm], options: dict[str, Any], kind: str, chosen: str | None) -> None:
    verdict = ask(*arms, **options)
    assert (verdict.kind, verdict.chosen) == (kind, chosen)
    assert "\n" not in verdict.sentence
    assert all("\n" not in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("mix", "relu", "kind"),
    [
        (0.98, 0.985, "uniform"),  # less than 1 % apart
        (0.80, 0.809, "mix"),  # more than 1 % of 0.80 apart
        (0.995, 0.992, "no_significant_gain"),
        (0.985, 0.9999, "mix"),
    ],
)
def test_modelled_figures_tie_within_one_percent(mix: float, relu: float, kind: str) -> None:
    arms = [arm("mix", mix, width=None), arm("uniform:relu", relu, width=None)]
    assert ask(*arms, kind="modelled", floor=0.0).kind == kind


def test_the_sentence_gives_every_figure_with_its_interval() -> None:
    verdict = ask(arm("mix", 0.81, width=0.009, loss=0.002, loss_ci=(-0.001, 0.005)))
    assert verdict.sentence == (
        "19 % (18.1-19.9) faster on cpu-openvino-fp32; "
        "mAP50-95 -0.002 (-0.005 to +0.001), n = 300 images"
    )


def test_modelled_sentences_say_so() -> None:
    verdict = ask(arm("mix", 0.7, width=None), kind="modelled", floor=0.0)
    assert verdict.sentence.startswith("30 % faster (modelled) on cpu-openvino-fp32; ")


def test_a_missed_goal_is_said() -> None:
    verdict = ask(arm("mix", 0.85), max_latency_ratio=0.8)
    assert verdict.goal_met is False
    assert verdict.sentence.endswith("Goal of 0.8 missed")
    assert verdict.reasons[0] == (
        "nothing within the limits reaches the goal of 0.8; mix is the fastest, at 0.850"
    )


def test_no_gain_names_every_candidate_that_breaks_the_limit() -> None:
    verdict = ask(arm("mix", 0.9, loss=0.0182), arm("uniform:relu", 0.8, loss=0.03))
    assert verdict.sentence == (
        "No significant gain on cpu-openvino-fp32: every faster candidate breaks a limit"
    )
    assert verdict.reasons == [
        "mix: 10 % (9.0-11.0) faster, but loses 0.0182 mAP50-95 (limit 0.015)",
        "uniform:relu: 20 % (19.0-21.0) faster, but loses 0.0300 mAP50-95 (limit 0.015)",
    ]


def test_no_gain_shows_the_interval_of_uniform_relu() -> None:
    verdict = ask(arm("mix", 0.997), arm("uniform:relu", 0.992))
    assert verdict.reasons == [
        "no candidate is faster; uniform ReLU: ratio 0.992 (0.982-1.002) reaches 1"
    ]


def test_a_mix_that_wins_shows_what_the_faster_ones_lose() -> None:
    verdict = ask(arm("mix", 0.9), arm("uniform:relu", 0.8, loss=0.03))
    assert verdict.reasons == [
        "uniform:relu: 20 % (19.0-21.0) faster, but loses 0.0300 mAP50-95 (limit 0.015)"
    ]


def test_a_ratio_within_the_noise_floor_is_not_called_faster() -> None:
    verdict = ask(arm("mix", 0.99, width=0.002), arm("uniform:relu", 1.0), floor=0.015)
    assert "faster" not in verdict.reasons[0]
    assert verdict.reasons == [
        "mix: ratio 0.990 (0.988-0.992) is within the noise floor; two runs of the same model "
        "differ by up to 1.5 % on this device"
    ]


def test_a_uniform_model_within_the_noise_floor_is_no_rival_of_a_faster_mix() -> None:
    verdict = ask(arm("mix", 0.9), arm("uniform:relu", 0.99, width=0.002), floor=0.015)
    assert (verdict.kind, verdict.chosen) == ("mix", "mix")
    assert verdict.reasons == []


def test_an_upload_that_is_already_fast_is_kept() -> None:
    arms = [arm("reference", 0.80), arm("mix", 0.81)]
    verdict = decide(arms, limits=Limits(), target=TARGET, kind="measured", noise_floor=0.004)
    assert (verdict.kind, verdict.chosen) == ("uniform", "reference")


def test_a_pick_with_one_activation_is_no_mix() -> None:
    relu = arm("uniform:relu", 0.8)
    pick = relu.model_copy(update={"name": "mix"})
    verdict = ask(relu, pick, arm("mix:2", 0.9))
    assert (verdict.kind, verdict.chosen) == ("uniform", "uniform:relu")


def test_an_original_that_is_all_relu_stands_for_uniform_relu() -> None:
    relu = Assignment.uniform(SITES, "relu")
    original = arm("reference", 1.0, width=0.0).model_copy(update={"assignment": relu})
    verdict = decide(
        [original, arm("mix", 1.02)],
        limits=Limits(),
        target=TARGET,
        kind="measured",
        noise_floor=0.004,
    )
    assert verdict.kind == "no_significant_gain"
    assert verdict.reasons == ["no candidate is faster; uniform ReLU: what the original is already"]


@pytest.mark.parametrize(
    ("mix", "relu", "said"),
    [
        (
            (0.7, 0.95),
            (0.8, 0.96),
            "30 % faster (modelled; 5.0 % faster with SiLU as one table) on",
        ),
        ((1.0, 1.0), (0.999, 1.0), "No significant gain on cpu-openvino-fp32: uniform ReLU"),
    ],
)
def test_a_verdict_on_an_npu_names_the_lowering_and_the_other_ratio(
    mix: tuple[float, float], relu: tuple[float, float], said: str
) -> None:
    arms = [
        arm(
            name,
            ratio,
            width=None,
            details={"lowering": "tflite", "ratio_to_silu_table_baseline": table},
        )
        for name, (ratio, table) in (("mix", mix), ("uniform:relu", relu))
    ]
    verdict = ask(*arms, kind="modelled")
    assert verdict.sentence.startswith(said)
    assert verdict.sentence.endswith("; SiLU lowered as LOGISTIC + MUL")


def test_the_uploaded_file_decides_nothing() -> None:
    verdict = ask(arm("mix", 1.0), arm("uniform:relu", 1.0))
    assert verdict.chosen == "reference"


def test_what_cannot_be_decided_is_refused() -> None:
    with pytest.raises(EngineError, match="arm 'mix' on cpu-openvino-fp32 has a ratio without an"):
        ask(arm("mix", 0.8, width=None))
    with pytest.raises(EngineError, match="emulated latency decides nothing"):
        ask(arm("mix", 0.8), kind="emulated")


def test_arm_names_are_checked() -> None:
    for name in ("mix", "mix:12", "uniform:mish", "reference"):
        assert arm(name).name == name
    for name in ("mix:one", "uniform:swish", "best", ""):
        with pytest.raises(ValueError, match="arm "):
            Arm(name=name, assignment=arm("mix").assignment)


def test_arm_json_brings_it_back() -> None:
    one = arm("mix", 0.8, loss_ci=(0.0, 0.01), details={"a": 1})
    assert Arm.model_validate_json(one.model_dump_json()) == one
