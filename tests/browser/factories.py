"""Rows for page tests, with plainly fictional figures: the world of Wonderland, not a measurement.

Searches get a result document that the engine's own schema accepts, and entries come from it
through :func:`webapp.leaderboard.services.publish`, as they do on a real site.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from devices import targets
from devices.assignment import Assignment
from devices.protocol import MeasureResult
from engine.arms import Arm, Limits
from engine.result import Result
from engine.verdict import decide
from webapp.analysis.models import Analysis
from webapp.analysis.tasks import make
from webapp.catalog.choices import UploadState, Visibility
from webapp.catalog.models import DataSet, Detector
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.leaderboard import ranking, references, snapshots
from webapp.leaderboard import services as leaderboard
from webapp.leaderboard.models import Entry
from webapp.pool.models import Device, HealthChange, HealthCheck, Host, NoiseCheck
from webapp.searches import cross
from webapp.searches import stages as stages_of
from webapp.searches.choices import Recipe
from webapp.searches.models import Measurement, Search, SearchEvent, SearchRequest
from webapp.webhooks.models import Delivery, Webhook

STUDY = Path(__file__).parents[2] / "docs" / "benchmarks" / "targets.json"
PASSWORD = "down-the-rabbit-hole"
ACTIVATIONS = ("relu", "leaky_relu", "silu", "hardswish")
CPU = "Looking-Glass CPU @ 1.0 GHz (fictional)"
NPU = "Arm Ethos-U (Vela model)"

# (module, activation sites inside it, channels, side of the output at 320 px): shaped like YOLOv8n.
_BLOCKS = (
    (0, ("act",), 16, 160),
    (1, ("act",), 32, 80),
    (2, ("cv1.act", "m.0.cv1.act", "m.0.cv2.act", "cv2.act"), 32, 80),
    (3, ("act",), 64, 40),
    (4, ("cv1.act", *(f"m.{i}.cv{j}.act" for i in (0, 1) for j in (1, 2)), "cv2.act"), 64, 40),
    (5, ("act",), 128, 20),
    (6, ("cv1.act", *(f"m.{i}.cv{j}.act" for i in (0, 1) for j in (1, 2)), "cv2.act"), 128, 20),
    (7, ("act",), 256, 10),
    (8, ("cv1.act", "m.0.cv1.act", "m.0.cv2.act", "cv2.act"), 256, 10),
    (9, ("cv1.act", "cv2.act"), 256, 10),
    (12, ("cv1.act", "m.0.cv1.act", "m.0.cv2.act", "cv2.act"), 128, 20),
    (15, ("cv1.act", "m.0.cv1.act", "m.0.cv2.act", "cv2.act"), 64, 40),
    (16, ("act",), 64, 20),
    (18, ("cv1.act", "m.0.cv1.act", "m.0.cv2.act", "cv2.act"), 128, 20),
    (19, ("act",), 128, 10),
    (21, ("cv1.act", "m.0.cv1.act", "m.0.cv2.act", "cv2.act"), 256, 10),
    *(
        (22, tuple(f"cv{branch}.{level}.{i}.act" for branch in (2, 3) for i in (0, 1)), 64, side)
        for level, side in enumerate((40, 20, 10))
    ),
)
SITES = [
    {"path": f"model.{module}.{site}", "activation": "silu", "shape": [channels, side, side]}
    for module, sites, channels, side in _BLOCKS
    for site in sites
]
STAGES = {
    "inspect": "Inspect the model",
    "cost": "Measure the uniform models",
    "training": "Train",
    "estimate": "Estimate what each swap loses",
    "candidates": "Choose mixes and measure them",
    "arms": "Train every arm",
    "convert": "Convert for the target",
    "score": "Score the files on the test split",
    "measure": "Measure the files",
    "decide": "Decide",
}
PATHS = [str(site["path"]) for site in SITES]


def webhook(owner: User, search: Search) -> Webhook:
    """A webhook that was switched off, with a delivery of each kind."""
    now = timezone.now()
    made = Webhook.objects.create(
        owner=owner,
        url="https://tea-party.example/hooks/actnas?for=the-dormouse",
        site="https://wonderland.example",
        failures=20,
        switched_off=now,
    )
    arrived = {"at": now.isoformat(), "status": 204, "error": "", "seconds": 0.21}
    broken = {**arrived, "status": 500, "error": "answered 500"}
    for state, attempts, due in (
        ("delivered", [broken, arrived], None),
        ("failed", [broken] * 6, None),
        ("pending", [broken], now + timedelta(days=9)),
    ):
        Delivery.objects.create(
            webhook=made,
            event="search.finished",
            search=search,
            body="{}",
            state=state,
            attempts=attempts,
            not_before=due,
        )
    return made


def user(name: str, *, staff: bool = False, superuser: bool = False) -> User:
    return User.objects.create_user(name, password=PASSWORD, is_staff=staff, is_superuser=superuser)


def detector(owner: User, *, name: str = "Cheshire cat finder", public: bool = True) -> Detector:
    """A model that has passed its check."""
    return Detector.objects.create(
        owner=owner,
        name=name,
        file_name="cheshire.pt",
        sha256=_hash(name),
        size=6_943_523,
        state=UploadState.READY,
        visibility=Visibility.PUBLIC if public else Visibility.PRIVATE,
        kind="pt",
        family="YOLOv8n",
        imgsz=320,
        has_weights=True,
        names=["grin", "paw", "tail", "hat", "teapot"],
        sites=SITES,
        original=dict.fromkeys(PATHS, "silu"),
    )


def data_set(owner: User, *, name: str = "Wonderland", public: bool = True) -> DataSet:
    """A data set that has passed its check."""
    names = ["grin", "paw", "tail", "hat", "teapot"]
    boxes = {
        split: {name: n * (5 - i) for i, name in enumerate(names)}
        for split, n in (("train", 120), ("val", 40), ("test", 90))
    }
    return DataSet.objects.create(
        owner=owner,
        name=name,
        file_name="wonderland.zip",
        sha256=_hash(name + "zip"),
        size=48_000_000,
        state=UploadState.READY,
        visibility=Visibility.PUBLIC if public else Visibility.PRIVATE,
        version=_hash(name),
        folder="data-sets/wonderland",
        names=names,
        images={"train": 600, "val": 200, "test": 450},
        boxes=boxes,
    )


def pool() -> list[Device]:
    """One host with a CPU and a modelled NPU."""
    now = timezone.now()
    host, _ = Host.objects.get_or_create(name="looking-glass", defaults={"agent_heartbeat": now})
    by_hardware: dict[str, list[str]] = {}
    for target in targets.TARGETS:
        by_hardware.setdefault(target.hardware, []).append(target.id)
    made = []
    for slug, name, model, hardware in (
        ("looking-glass-cpu", "Looking-glass CPU", CPU, "cpu"),
        ("looking-glass-npu", "Looking-glass NPU", NPU, "npu"),
    ):
        device, _ = Device.objects.get_or_create(
            slug=slug,
            defaults={
                "host": host,
                "name": name,
                "model": model,
                "targets": by_hardware[hardware],
                "health": "good",
            },
        )
        made.append(device)
    if not made[0].health_checks.exists():
        _checked(made[0])
    for target_id in by_hardware["cpu"]:
        dice = random.Random(target_id)
        for _ in range(24):
            ratio = 1 + dice.gauss(0, 0.002)
            NoiseCheck.objects.create(
                device=made[0],
                target=target_id,
                ratio=ratio,
                low=ratio - 0.002,
                high=ratio + 0.003,
                arm="again",
            )
    return made


def _checked(device: Device) -> None:
    """A month of health checks, one of which was noisy."""
    dice = random.Random("checks")
    ratios = [1 + dice.gauss(0, 0.002) for _ in range(30)]
    HealthCheck.objects.bulk_create(
        HealthCheck(
            device=device,
            target="cpu-onnxruntime-fp32",
            cause="hours",
            ratio=ratio,
            low=ratio - 0.002,
            high=ratio + 0.002,
            latency_ms=2 * ratio,
            drift=None if number < 5 else dice.gauss(0, 0.01),
            ended=timezone.now(),
        )
        for number, ratio in enumerate(ratios)
    )
    reason = "noise floor 0.37 % over 30 checks"
    HealthChange.objects.create(device=device, was="noisy", now="good", reason=reason)


def request(
    owner: User, model: Detector, data: DataSet | None, *, name: str, target_ids: Sequence[str]
) -> SearchRequest:
    return SearchRequest.objects.create(
        owner=owner,
        name=name,
        detector=model,
        data_set=data,
        targets=list(target_ids),
        activations=list(ACTIVATIONS),
        max_map_loss=0.015,
        max_latency_ratio=0.9,
        imgsz=320,
    )


# No worker serves this queue, and its jobs seem alive for a day: the site's own workers leave the
# fictional searches as they are.
NOBODYS = "wonderland"


def running_search(asked: SearchRequest, target_id: str, device: Device) -> Search:
    """A search in the middle of its training."""
    job = Job.objects.create(
        kind=Kind.SEARCH,
        queue=NOBODYS,
        owner=asked.owner,
        state=State.RUNNING,
        progress=0.4,
        started=timezone.now(),
        limit_s=86_400,
        heartbeat=timezone.now() + timedelta(days=1),
    )
    now = timezone.now().timestamp()
    stages = _plan_of_stages()
    for stage, seconds in (("inspect", 4.2), ("cost", 61.0)):
        _set(stages, stage, state="finished", fraction=1.0, started=now - 200, seconds=seconds)
    message = "epoch 5 of 8, mAP50-95 on val 0.512"
    _set(stages, "training", state="running", fraction=0.62, message=message, started=now - 120)
    search = Search.objects.create(
        request=asked, target=target_id, device=device, job=job, stage="training", stages=stages
    )
    for stage in stages:
        if stage["started"] is not None:
            SearchEvent.objects.create(
                search=search, stage=stage["name"], kind="started", message=stage["title"]
            )
    return search


def trying(search: Search) -> Search:
    """The search with five mixes that it tried so far, three of them measured."""
    limits = _limits(search.request)
    search.tried = documents(search.target, seed=7, limits=limits)[0]["candidates"][:5]
    for number, one in enumerate(search.tried):
        one |= {"pareto": False, "chosen": False}
        if number > 2:
            one |= {"measured_ratio": None, "interval": None}
    search.save(update_fields=["tried"])
    return search


def failed_search(asked: SearchRequest, target_id: str, device: Device, *, reason: str) -> Search:
    """A search whose training broke."""
    search = running_search(asked, target_id, device)
    assert search.job is not None
    search.job.state = State.FAILED
    search.job.reason = reason
    search.job.save()
    return search


def queued_search(asked: SearchRequest, target_id: str, device: Device) -> Search:
    job = Job.objects.create(kind=Kind.SEARCH, queue=NOBODYS, owner=asked.owner)
    return Search.objects.create(request=asked, target=target_id, device=device, job=job)


def finished_search(
    asked: SearchRequest, target_id: str, device: Device, *, seed: int
) -> tuple[Search, list[Entry]]:
    """A finished search with a published entry; every figure is drawn from ``seed``."""
    now = timezone.now()
    job = Job.objects.create(
        kind=Kind.SEARCH,
        queue="search",
        owner=asked.owner,
        state=State.FINISHED,
        progress=1.0,
        started=now - timedelta(minutes=9),
        ended=now,
    )
    result, measured = documents(target_id, seed=seed, limits=_limits(asked))
    stages = _plan_of_stages()
    for name, seconds in result["stages_s"].items():
        _set(stages, name, state="finished", fraction=1.0, started=now.timestamp(), seconds=seconds)
    search = Search.objects.create(
        request=asked, target=target_id, device=device, job=job, stages=stages, result=result
    )
    lease = measured["job_id"]
    Measurement.objects.create(
        search=search, device=device, hash=_hash(lease), document={"id": lease}, result=measured
    )
    names = ["mix/model.onnx", "mix/assignment.json", "mix/state_dict.pt", "mix/model.yaml"]
    for name in [*names, *(arm["file"] for arm in result["arms"])]:
        path = search.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"fictional {name} of {asked.name}\n" * 40)
    return search, leaderboard.publish(search)


def _lowered(ratio: float) -> dict[str, Any]:
    """What an Ethos-U says of a ratio beside it."""
    return {"lowering": "tflite", "ratio_to_silu_table_baseline": 1 - (1 - ratio) / 4}


def documents(
    target_id: str, *, seed: int, limits: Limits
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(result.json, MeasureResult) of a fictional search."""
    dice = random.Random(seed)
    target = targets.get(target_id)
    modelled = target.kind == "modelled"
    lease = f"final-{seed}"
    base_ms = 30.0 if modelled else 10.0
    best_map = 0.60 + dice.uniform(0, 0.1)
    plan = _plan(dice)
    arms, samples = [], []
    for name, assignment, ratio, loss in plan:
        half = dice.uniform(0.004, 0.012)
        latency = base_ms * ratio
        blocks = [] if modelled else _samples(dice, latency)
        arms.append(
            Arm(
                name=name,
                assignment=assignment,
                file=f"{name.replace(':', '-')}/model.onnx",
                file_sha256=_hash(f"{name}{seed}"),
                map50=best_map - loss + 0.15,
                map50_95=best_map - loss,
                map50_95_ci=(best_map - loss - 0.025, best_map - loss + 0.022),
                loss=loss,
                loss_ci=(loss - 0.004, loss + 0.003),
                latency_ms=latency,
                latency_ratio=ratio,
                ratio_ci=None if modelled else (ratio - half, ratio + half),
                memory=806.0 * ratio if modelled else 7.5 * (0.5 + ratio / 2),
                memory_ratio=ratio if modelled else 0.5 + ratio / 2,
                memory_unit=target.memory_unit,
                lease=lease,
                details={
                    "samples_ms": blocks,
                    **(_lowered(ratio) if modelled else {}),
                },
            )
        )
        samples.append(_arm_result(name, latency, ratio, half, blocks, seed))
    measured = MeasureResult.model_validate(
        {
            "job_id": lease,
            "target": target_id,
            "kind": target.kind,
            "baseline": "original",
            "arms": samples,
            "stopped": "exact" if modelled else "interval",
            "provenance": _provenance(),
        }
    ).model_dump(mode="json")
    verdict = decide(
        arms, limits=limits, target=target_id, kind=target.kind, noise_floor=0.003, images=450
    )
    chosen = next(arm for arm in arms if arm.name == "mix")
    result = Result.model_validate(
        {
            "schema": "actnas.result/1",
            "model": {
                "sha256": _hash("model"),
                "kind": "pt",
                "family": "YOLOv8n",
                "classes": 5,
                "imgsz": 320,
                "weights": True,
            },
            "data": {"classes": 5, "images": {"train": 600, "val": 200, "test": 450}},
            "target": target_id,
            "kind": target.kind,
            "recipe": "supernet",
            "limits": limits,
            "seed": seed,
            "sites": SITES,
            "arms": arms,
            "cost_table": _cost_table(dice, target.kind),
            "estimates": [_estimate(dice)],
            "candidates": _candidates(dice),
            "chosen": [
                {
                    "arm": "mix",
                    "assignment": _file("assignment.json"),
                    "model": {"path": "mix/model.onnx", "sha256": chosen.file_sha256},
                    "state_dict": _file("state_dict.pt"),
                    "yaml": _file("model.yaml"),
                }
            ],
            "verdict": verdict,
            "noise_floor": 0.003,
            "provenance": {
                "machine": {"cpu_model": CPU},
                "versions": {"engine": "0.0"},
                "leases": {lease: _provenance()},
            },
            "stages_s": {
                "inspect": 4.2,
                "cost": 61.0,
                "training": 340.0,
                "estimate": 22.5,
                "candidates": 48.0,
                "arms": 180.0,
                "convert": 6.0,
                "score": 40.0,
                "measure": 55.0,
                "decide": 0.1,
            },
            "notes": [target.notes] if target.notes else [],
        }
    ).model_dump(mode="json")
    return result, measured


def compared(
    owner: User, model: Detector, data: DataSet, cpu: Device, npu: Device
) -> tuple[Search, Search]:
    """A search whose mix was measured across targets, and one like it by the paper's recipe. They
    publish nothing."""
    targets_of = ["cpu-litert-int8", "npu-ethos-u85-256-int8"]
    asked = request(owner, model, data, name="Mock Turtle", target_ids=targets_of)
    both = [
        finished_search(asked, target, device, seed=40 + index)[0]
        for index, (target, device) in enumerate(zip(targets_of, (cpu, npu), strict=True))
    ]
    again = request(owner, model, data, name="Gryphon", target_ids=targets_of[:1])
    again.recipe = Recipe.PAPER
    again.save()
    other, _ = finished_search(again, targets_of[0], cpu, seed=42)
    mixes = [mix for search in both if (mix := cross.best_mix(search)) is not None]
    for number, search in enumerate(both):
        modelled = targets.get(search.target).kind == "modelled"
        ratios = [0.79 + 0.06 * (number != index) for index in range(len(mixes))]
        result = {
            "job_id": cross.CROSS,
            "target": search.target,
            "kind": targets.get(search.target).kind,
            "baseline": "reference",
            "arms": [
                _arm_result(f"mix {mix.hash}", 10 * ratio, ratio, 0.0 if modelled else 0.01, [], 0)
                for mix, ratio in zip(mixes, ratios, strict=True)
            ],
            "stopped": "exact" if modelled else "interval",
            "provenance": _provenance(),
        }
        Measurement.objects.create(
            search=search,
            device=search.device,
            hash=_hash(f"cross {number}"),
            document={"id": cross.CROSS},
            result=MeasureResult.model_validate(result).model_dump(mode="json"),
            job=Job.objects.create(
                kind=Kind.MEASURE, queue=NOBODYS, owner=owner, state=State.FINISHED
            ),
        )
    unlisted = list(Entry.objects.filter(search__in=[*both, other]))
    Entry.objects.filter(search__in=[*both, other]).delete()
    ranking.leave(unlisted)
    return both[0], other


def months(owner: User, device: Device) -> None:
    """Ended searches and measurements of the last weeks, for the administrators' analysis."""
    dice, now = random.Random("months"), timezone.now()
    states = [State.FINISHED] * 6 + [State.FAILED, State.CANCELLED]
    for ago in (0, 0, 1, 1, 2, 4, 5, 5, 5, 9, 12, 16, 16, 20, 25, 33, 48, 61, 80):
        created = now - timedelta(days=ago, minutes=40)
        for kind, queue in ((Kind.SEARCH, NOBODYS), (Kind.MEASURE, device.queue)):
            waited, took = dice.uniform(1, 90), dice.uniform(60, 900)
            job = Job.objects.create(
                kind=kind,
                queue=queue,
                owner=owner,
                state=dice.choice(states),
                queued_at=created,
                started=created + timedelta(seconds=waited),
                ended=created + timedelta(seconds=waited + took),
                device_s=0.9 * took if kind == Kind.MEASURE else None,
            )
            Job.objects.filter(pk=job.pk).update(created=created)
            if kind == Kind.MEASURE:
                search = Search.objects.filter(device=device).order_by("pk")[0]
                Measurement.objects.create(
                    search=search, device=device, hash=_hash(str(job.pk)), document={}, job=job
                )


def analysed() -> Analysis:
    """The analysis of the rows that are there."""
    analysis = Analysis.objects.create()
    make(analysis, now=timezone.now())
    return analysis


def _plan(dice: random.Random) -> list[tuple[str, Assignment, float, float]]:
    """(arm, assignment, ratio, loss): the uploaded file, the reference, uniforms, the mix."""
    silu = Assignment.uniform(PATHS, "silu")
    ratio = dice.uniform(0.70, 0.86)
    mix = Assignment(
        tuple((path, dice.choices(ACTIVATIONS, weights=(6, 2, 3, 4))[0]) for path in PATHS)
    )
    return [
        ("uploaded", silu, 1.0, 0.31),
        ("reference", silu, 1.0, 0.0),
        ("uniform:relu", Assignment.uniform(PATHS, "relu"), ratio - 0.05, 0.021),
        ("uniform:hardswish", Assignment.uniform(PATHS, "hardswish"), ratio + 0.06, 0.009),
        ("mix", mix, ratio, dice.uniform(-0.002, 0.012)),
    ]


def _samples(dice: random.Random, latency: float) -> list[list[float]]:
    return [[latency * dice.lognormvariate(0, 0.018) for _ in range(12)] for _ in range(12)]


def _arm_result(
    name: str, latency: float, ratio: float, half: float, blocks: list[list[float]], seed: int
) -> dict[str, Any]:
    return {
        "name": name,
        "file_sha256": _hash(f"{name}{seed}"),
        "latency_ms": latency,
        "ratio": ratio,
        "ratio_interval": {"low": ratio - half, "high": ratio + half},
        "samples_ms": blocks,
    }


def _provenance() -> dict[str, Any]:
    return {
        "harness": "0.0",
        "machine": {"cpu_model": CPU, "cpuset": "0-1", "threads": 1, "load_1min": 0.21},
        "versions": {"wonderland-runtime": "1.0"},
        "started_at": "2026-01-01T12:00:00+00:00",
        "seconds": 55.0,
    }


def _cost_table(dice: random.Random, kind: str) -> dict[str, Any]:
    return {
        "schema": "actnas.cost_table/1",
        "sites": PATHS,
        "activations": list(ACTIVATIONS),
        "ms": [[0.1 + dice.random() * 0.05 for _ in ACTIVATIONS] for _ in PATHS],
        "rest_ms": 5.0,
        "baseline": [[path, "silu"] for path in PATHS],
        "kind": kind,
        "source": "fictional",
        "memory": None,
        "rest_memory": None,
        "memory_unit": None,
        "details": {},
    }


def _estimate(dice: random.Random) -> dict[str, Any]:
    return {
        "estimator": "supernet_loss",
        "unit": "detection loss",
        "higher_is_better": False,
        "activations": list(ACTIVATIONS),
        "penalty": [
            [0.0 if name == "silu" else dice.uniform(0.0, 0.04) for name in ACTIVATIONS]
            for _ in PATHS
        ],
    }


def _candidates(dice: random.Random) -> list[dict[str, Any]]:
    """Eight mixes; the third is picked."""
    made = []
    for index in range(8):
        ratio, penalty = 0.70 + 0.03 * index, 0.08 - 0.01 * index + dice.uniform(0, 0.01)
        mix = Assignment(tuple((path, dice.choice(ACTIVATIONS)) for path in PATHS))
        made.append(
            {
                "assignment": json.loads(mix.to_json()),
                "solver": "milp",
                "penalty": penalty,
                "predicted_ratio": ratio - 0.004,
                "measured_ratio": ratio,
                "interval": (ratio - 0.006, ratio + 0.006),
                "map50_95": 0.66 - penalty,
                "expected_loss": penalty / 5,
                "pareto": index % 2 == 0,
                "chosen": index == 2,
            }
        )
    return made


def _limits(asked: SearchRequest) -> Limits:
    return Limits(
        max_map_loss=asked.max_map_loss,
        max_latency_ratio=asked.max_latency_ratio,
        max_memory_ratio=asked.max_memory_ratio,
    )


def _plan_of_stages() -> list[Any]:
    return list(stages_of.plan(STAGES))


def _set(stages: list[Any], name: str, **values: Any) -> None:
    next(stage for stage in stages if stage["name"] == name).update(values)


def _file(name: str) -> dict[str, str]:
    return {"path": f"mix/{name}", "sha256": _hash(name)}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def populate() -> None:
    """A site with something on every page; prints the ids as JSON."""
    alice, hatter = user("alice"), user("hatter")
    references.take_in(STUDY)  # of the repository: nothing in it is fictional
    cat, data = detector(alice), data_set(alice)
    cpu, npu = pool()
    entries: dict[str, list[str]] = {}
    plan = [("cpu-openvino-fp32", cpu, 6), ("cpu-onnxruntime-int8", cpu, 3)]
    plan.append(("npu-ethos-u55-128-int8", npu, 4))
    for target_id, device, n in plan:
        for index in range(n):
            owner = alice if index % 2 else hatter
            name = f"{('Cheshire cat', 'Dormouse', 'March hare')[index % 3]} finder"
            asked = request(owner, cat, data, name=name, target_ids=[target_id])
            _, made = finished_search(asked, target_id, device, seed=100 * n + index)
            entries.setdefault(target_id, []).extend(entry.pk for entry in made)
    live = request(
        alice,
        cat,
        data,
        name="Queen of Hearts",
        target_ids=["cpu-openvino-fp32", "cpu-onnxruntime-int8", "npu-ethos-u55-128-int8"],
    )
    told = webhook(alice, trying(running_search(live, "cpu-openvino-fp32", cpu)))
    queued_search(live, "cpu-onnxruntime-int8", cpu)
    failed_search(live, "npu-ethos-u55-128-int8", npu, reason="the tea had gone cold (fictional)")
    kept = snapshots.take(
        Entry.objects.listed().order_by("-created", "pk"),
        title="All entries",
        query="target=all",
        is_ranking=False,
    )
    done = SearchRequest.objects.exclude(pk=live.pk).latest("created")
    steered = request(alice, cat, data, name="Gryphon", target_ids=["cpu-openvino-fp32"])
    running_search(steered, "cpu-openvino-fp32", cpu)
    watched = request(alice, cat, data, name="White Rabbit", target_ids=["cpu-openvino-fp32"])
    running_search(watched, "cpu-openvino-fp32", cpu)
    crossed, other = compared(alice, cat, data, cpu, npu)
    gone = request(alice, cat, data, name="Knave of Hearts", target_ids=["cpu-ncnn-fp32"])
    withdrawn = finished_search(gone, "cpu-ncnn-fp32", cpu, seed=50)[1][0]
    Entry.objects.filter(search=withdrawn.search).exclude(pk=withdrawn.pk).delete()
    leaderboard.withdraw(withdrawn, by=withdrawn.owner, reason="the tarts were stolen (fictional)")
    user("red-queen", staff=True, superuser=True)
    Device.objects.update(created=timezone.now() - timedelta(days=100))
    months(hatter, cpu)
    analysed()
    print(
        json.dumps(
            {
                "entries": entries,
                "model": cat.pk,
                "data_set": data.pk,
                "running": live.pk,
                "steered": steered.pk,
                "watched": watched.pk,
                "finished": done.pk,
                "snapshot": kept.pk,
                "webhook": told.pk,
                "crossed": crossed.request_id,
                "search": crossed.pk,
                "other": other.pk,
                "withdrawn": withdrawn.pk,
            }
        )
    )
