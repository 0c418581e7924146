"""The training loop that every arm goes through: same loss, optimiser, schedule and data order."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.data import Split
from engine.training import augment, distillation
from engine.training.distillation import Teacher
from engine.training.spec import TrainingSettings

_SHIFT = 0.06
_WARMUP_STEPS = 20
GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, epochs=100)  # ultralytics' own defaults


@dataclass(frozen=True)
class Hooks:
    """What the loop calls between batches, with (fraction done, message) after each, and with
    (epochs done, moving average of the weights) before the first epoch and after each."""

    pause_point: Callable[[], None]
    progress: Callable[[float, str], None]
    epoch: Callable[[int, nn.Module], None] = lambda done, average: None


@dataclass(frozen=True)
class Schedule:
    """How long and how fast one :func:`fit` trains. ``first_epoch`` numbers the data order, so that
    every arm sees the same batches at the same point of its life."""

    epochs: int
    peak_lr: float
    first_epoch: int


# Called with the step and the fraction of the training that is done; the batch is cut into as many
# parts as callables come back, and each is called before its part is run.
Parts = Callable[[int, float], Sequence[Callable[[], None]]]


def whole(step: int, fraction: float) -> Sequence[Callable[[], None]]:
    """The batch in one piece, nothing to change before it."""
    return (lambda: None,)


def device() -> torch.device:
    """The device that trains: CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision() -> str:
    """``bf16`` where the processor multiplies bfloat16 natively, else ``fp32``."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return "bf16" if supported else "fp32"


def to_float(value: Any) -> Any:
    """Every tensor of a nested structure as float32: losses are computed in full precision."""
    if isinstance(value, torch.Tensor):
        return value.float()
    if isinstance(value, dict):
        return {key: to_float(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_float(item) for item in value)
    return value


def stack(
    split: Split,
    indices: Sequence[int],
    *,
    where: torch.device,
    augmented: Callable[[int], tuple[Any, Any]] | None = None,
) -> dict[str, torch.Tensor]:
    """The images and boxes at ``indices`` as the batch that ultralytics' losses read.

    ``img`` is float32 [n, 3, s, s] in 0..1; ``cls`` [boxes, 1], ``bboxes`` [boxes, 4] (x, y, w, h
    in 0..1) and ``batch_idx`` [boxes]. ``augmented`` gives (image, labels) of an index instead of
    the split itself.
    """
    images, rows, owners = [], [], []
    for position, index in enumerate(indices):
        image, labels = (
            augmented(index) if augmented else (split.images[index], split.labels[index])
        )
        images.append(image)
        rows.append(labels)
        owners += [position] * len(labels)
    table = torch.from_numpy(np.concatenate(rows).astype(np.float32))
    return {
        "img": _pixels(images, where),
        "cls": table[:, :1].to(where),
        "bboxes": table[:, 1:].to(where),
        "batch_idx": torch.tensor(owners, dtype=torch.float32, device=where),
    }


def _pixels(images: Sequence[Any], where: torch.device) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack(images)).to(where).float() / 255
    return pixels.contiguous(memory_format=torch.channels_last)


def _augmenter(
    split: Split, settings: TrainingSettings, epoch: int
) -> Callable[[int], tuple[Any, Any]] | None:
    if settings.augment == "none":
        return None

    def shifted(index: int) -> tuple[Any, Any]:
        rng = np.random.default_rng([settings.seed, epoch, int(index)])
        return augment.shift(split.images[index], split.labels[index], rng=rng, most=_SHIFT)

    return shifted


def _learning_rate(step: int, steps: int, peak: float) -> float:
    warmup = min(1.0, (step + 1) / min(_WARMUP_STEPS, max(1, steps // 4)))
    return peak * warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _optimiser(net: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    decayed = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in net.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, foreach=True)


def fit(
    net: nn.Module,
    split: Split,
    *,
    settings: TrainingSettings,
    schedule: Schedule,
    hooks: Hooks,
    checkpoint: Path,
    parts: Parts = whole,
    teacher: Teacher | None = None,
) -> dict[str, Any]:
    """Train ``net`` in place; it ends holding the moving average of its weights.

    ``checkpoint`` is written after each epoch and resumed from if it exists. With a ``teacher`` the
    distance to it, weighted by ``settings.distil``, is added to the loss on the labels.

    Returns:
        ``{"steps", "seconds", "losses" (mean per epoch), "precision", "device", "epochs"}``.

    Raises:
        ValueError: the split holds fewer images than one batch needs (at least 1).
    """
    where, kind = device(), precision()
    net.to(where).to(memory_format=torch.channels_last)  # a tenth faster on CPU, more on CUDA
    for parameter in net.parameters():
        parameter.requires_grad_(True)  # checkpoints come frozen
    if hasattr(net.model[-1], "dfl") and hasattr(net.model[-1].dfl, "conv"):  # type: ignore[index,union-attr]
        net.model[-1].dfl.requires_grad_(False)  # type: ignore[index,union-attr]
    criterion = criterion_of(net)
    optimiser = _optimiser(net, settings.weight_decay)
    average = copy.deepcopy(net).eval()
    if teacher is not None:
        teacher.to(where)
    epochs = schedule.epochs
    size = min(settings.batch, len(split.images))
    per_epoch = len(split.images) // size
    steps = max(1, epochs * per_epoch)
    done, losses, seconds = 0, [], 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=where, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        done, losses, seconds = state["epochs"], state["losses"], state["seconds"]
    else:
        hooks.epoch(0, average)
    net.train()
    for epoch in range(done, epochs):
        started, total = time.monotonic(), 0.0
        order = np.random.default_rng([settings.seed, schedule.first_epoch + epoch]).permutation(
            len(split.images)
        )
        augmented = _augmenter(split, settings, schedule.first_epoch + epoch)
        for number in range(per_epoch):
            hooks.pause_point()
            step = epoch * per_epoch + number
            for group in optimiser.param_groups:
                group["lr"] = _learning_rate(step, steps, schedule.peak_lr)
            optimiser.zero_grad(set_to_none=True)
            changes = parts(step, step / steps)
            chosen = order[number * size : (number + 1) * size]
            for piece, change in zip(np.array_split(chosen, len(changes)), changes, strict=True):
                change()
                batch = stack(split, piece.tolist(), where=where, augmented=augmented)
                with torch.autocast(where.type, dtype=torch.bfloat16, enabled=kind == "bf16"):
                    predictions = net(batch["img"])
                    wanted = teacher(batch["img"]) if teacher is not None else None
                predictions = to_float(predictions)
                # Ultralytics' loss is a mean over the objects of a batch times its images.
                loss = criterion(predictions, batch)[0].sum() / size
                if wanted is not None:
                    near = distillation.distance(predictions, to_float(wanted))
                    loss = loss + settings.distil * near * (len(piece) / size)
                loss.backward()
                total += float(loss.detach())
            nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimiser.step()
            _follow(average, net, settings.ema, step)
            hooks.progress((step + 1) / steps, f"epoch {epoch + 1} of {epochs}")
        losses.append(total / per_epoch)
        seconds += time.monotonic() - started
        hooks.epoch(epoch + 1, average)  # before the checkpoint: who is cut here is called again
        _save(
            checkpoint,
            {
                "net": net.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "epochs": epoch + 1,
                "losses": losses,
                "seconds": seconds,
            },
        )
    net.load_state_dict(average.state_dict())
    net.to("cpu").to(memory_format=torch.contiguous_format).eval()
    return {
        "steps": steps,
        "epochs": epochs,
        "seconds": round(seconds, 3),
        "losses": losses,
        "precision": kind,
        "device": where.type,
    }


def criterion_of(net: nn.Module) -> Any:
    """Ultralytics' own detection loss for ``net``, with its default gains."""
    vars(net)["args"] = GAINS
    return net.init_criterion()  # type: ignore[operator]


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of the weights, with a short memory at the start."""
    keep = min(decay, (1 + step) / (10 + step))
    target: list[torch.Tensor] = list(average.parameters())
    source: list[torch.Tensor] = list(net.parameters())
    torch._foreach_lerp_(target, source, 1 - keep)


def _save(path: Path, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
