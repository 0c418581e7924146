from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from engine.training import distillation
from engine.training.distillation import Teacher, distance
from tests.engine.models import WithNet

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["v8/yolov8n", "v10/yolov10n", "26/yolo26n"])
def model(request: pytest.FixtureRequest, family: Callable[[str], WithNet]) -> WithNet:
    """Heads with bins, with two heads, and without bins."""
    return family(request.param)


def test_a_model_is_at_no_distance_from_itself(model: WithNet) -> None:
    taught = Teacher(copy.deepcopy(model.net))(IMAGES)
    student = copy.deepcopy(model.net).eval()
    with torch.no_grad():
        assert float(distance(student(IMAGES), taught)) == pytest.approx(0, abs=1e-5)


def test_every_part_of_a_changed_student_is_told_to_come_back(model: WithNet) -> None:
    taught = Teacher(copy.deepcopy(model.net))(IMAGES)
    student = copy.deepcopy(model.net).train().requires_grad_(True)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.mul_(1.1)
    far = distance(student(IMAGES), taught)
    assert float(far.detach()) > 1e-4
    far.backward()
    head, stem = student.model[-1], student.model[0]
    for part in (head.cv2, head.cv3, stem):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_a_teacher_is_frozen_and_runs_with_its_own_statistics(abd: WithNet) -> None:
    net = copy.deepcopy(abd.net).train()
    before = copy.deepcopy(net.state_dict())
    Teacher(net)(IMAGES)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_the_distance_is_the_formula() -> None:
    bins, anchors, p, q = 2, 3, 0.8, 0.6
    even = torch.zeros(1, 4 * bins, anchors)
    tilted = torch.tensor([0.0, 1.0]).repeat(4).view(1, 4 * bins, 1).expand(-1, -1, anchors)
    feature = torch.tensor([[[[0.0, 2.0]]]])

    def outputs(boxes: torch.Tensor, probability: float, neck: torch.Tensor) -> dict[str, object]:
        scores = torch.full((1, 1, anchors), math.log(probability / (1 - probability)))
        return {"boxes": boxes, "scores": scores, "feats": [neck]}

    taught = outputs(tilted, p, feature)
    found = float(distance(outputs(even, q, feature + 1), taught))
    classes = anchors * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    theirs = torch.tensor([0.0, 1.0]).softmax(0)
    boxes = float(F.kl_div(torch.tensor([0.5, 0.5]).log(), theirs, reduction="sum"))
    neck = 1 / 2.0  # the squared difference over the variance of (0, 2)
    total = anchors * p
    wanted = (
        distillation.CLASS_GAIN * classes / total
        + distillation.BOX_GAIN * boxes
        + distillation.NECK_GAIN * neck
    )
    assert found == pytest.approx(wanted, rel=1e-5)
