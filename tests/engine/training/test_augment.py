from __future__ import annotations

import numpy as np

from engine.training.augment import shift


def _picture() -> tuple[np.ndarray, np.ndarray]:
    """A white square of 10 px at (20, 30) in a grey image of 64 px, and its box."""
    image = np.full((3, 64, 64), 114, np.uint8)
    image[:, 30:40, 20:30] = 255
    return image, np.array([[2, 25 / 64, 35 / 64, 10 / 64, 10 / 64]], np.float32)


def test_boxes_move_with_the_pixels() -> None:
    image, labels = _picture()
    moves = set()
    for seed in range(12):
        moved, boxes = shift(image, labels, rng=np.random.default_rng(seed), most=0.1)
        rows, columns = np.nonzero(moved[0] == 255)
        found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 64
        centre, side = boxes[0, 1:3], boxes[0, 3:5]
        np.testing.assert_allclose(np.concatenate([centre - side / 2, centre + side / 2]), found)
        assert boxes[0, 0] == 2
        moves.add(tuple(found))
    assert len(moves) > 6


def test_a_box_that_is_mostly_cut_off_goes() -> None:
    image, _ = _picture()
    labels = np.array([[0, 0.01, 0.5, 0.02, 0.1]], np.float32)
    kept = [
        len(shift(image, labels, rng=np.random.default_rng(seed), most=0.1)[1])
        for seed in range(20)
    ]
    assert set(kept) == {0, 1}


def test_no_boxes_stay_no_boxes() -> None:
    image, _ = _picture()
    _, boxes = shift(image, np.zeros((0, 5), np.float32), rng=np.random.default_rng(0), most=0.1)
    assert boxes.shape == (0, 5)
