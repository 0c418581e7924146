"""The real checkpoint is fetched once and checked."""

from __future__ import annotations

from pathlib import Path

from webapp.demo import checkpoint


def test_it_is_the_expected_file(abd_checkpoint: Path) -> None:
    assert checkpoint.sha256(abd_checkpoint).startswith(checkpoint.SHA256_BEGINS)


def test_a_damaged_copy_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "ABD.pt").write_bytes(b"damaged")
    path = checkpoint.fetch(tmp_path)
    assert checkpoint.sha256(path).startswith(checkpoint.SHA256_BEGINS)
    assert [p.name for p in tmp_path.iterdir()] == ["ABD.pt"]


def test_the_shared_data_set_names_the_classes_of_the_checkpoint(
    molecules: Path, abd_names: dict[int, str]
) -> None:
    assert len(abd_names) == 147
    for split, count in {"train": 24, "val": 12, "test": 12}.items():
        assert len(list((molecules / "images" / split).glob("*.png"))) == count
