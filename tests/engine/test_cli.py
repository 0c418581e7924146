"""The command line, on the real checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import onnx
import pytest

from devices import graph
from devices.assignment import Assignment
from devices.errors import BadRequest
from engine import cli
from engine.costs import COST_MODELS
from engine.result import Result

SMALL = ["--imgsz", "64"]


def actnas(*arguments: object) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command run in this process, where torch is loaded.

    Both streams are caught at their file descriptors, so that what libraries print is seen.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            with open(1, "w", closefd=False) as stdout, open(2, "w", closefd=False) as stderr:
                with redirect_stdout(stdout), redirect_stderr(stderr):
                    status = cli.main([str(argument) for argument in arguments])
        finally:
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])
        out.seek(0)
        err.seek(0)
        return status, out.read(), err.read()


def document(*arguments: object) -> Any:
    """The one JSON document that the command prints; nothing else may be on stdout."""
    status, out, err = actnas(*arguments, "--json")
    assert status == 0, err
    return json.loads(out)


@pytest.fixture(scope="module")
def inspected(abd_checkpoint: Path) -> Any:
    return document("inspect", abd_checkpoint, *SMALL)


@pytest.fixture
def mix(inspected: Any, tmp_path: Path) -> Path:
    """An assignment file: ReLU at the first two sites."""
    sites = [site["path"] for site in inspected["sites"]]
    chosen = Assignment.uniform(sites, "silu").replace(dict.fromkeys(sites[:2], "relu"))
    path = tmp_path / "mix.json"
    path.write_text(chosen.to_json())
    return path


def test_targets_are_told_without_loading_anything_heavy() -> None:
    code = (
        "import sys; from engine import cli; status = cli.main(['targets', '--json']); "
        "heavy = {'torch', 'ultralytics', 'onnxruntime', 'openvino', 'pandas'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ids = [target["id"] for target in json.loads(done.stdout)["targets"]]
    assert "npu-ethos-u55-128-int8" in ids


def test_targets_as_a_table() -> None:
    command = [sys.executable, "-m", "engine", "targets"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cpu-openvino-fp32" in done.stdout
    assert "modelled" in done.stdout
    assert done.stderr == ""


def test_inspect_lists_the_sites_of_a_checkpoint(inspected: Any, abd_checkpoint: Path) -> None:
    assert inspected["model"]["family"] == "YOLOv8n"
    assert inspected["model"]["classes"] == 147
    assert len(inspected["sites"]) == 57
    assert inspected["sites"][0] == {
        "path": "model.0.act",
        "activation": "silu",
        "shape": [16, 32, 32],
    }
    status, out, _ = actnas("inspect", abd_checkpoint, *SMALL)
    assert status == 0
    assert "57 sites (57 silu)" in out


def test_measure_pairs_a_uniform_model_with_the_original(abd_checkpoint: Path) -> None:
    target = ("--target", "cpu-onnxruntime-fp32", "--seconds", "2")
    found = document("measure", abd_checkpoint, *SMALL, *target, "--uniform", "relu")
    assert found["result"]["kind"] == "measured"
    original, relu = found["result"]["arms"]
    assert (original["name"], original["ratio"]) == ("original", 1.0)
    assert relu["ratio_interval"]["low"] < relu["ratio"] < relu["ratio_interval"]["high"]
    assert {a for _, a in found["assignments"]["mix"]["choices"]} == {"relu"}


def test_measure_models_a_mix_on_the_npu(abd_checkpoint: Path, mix: Path) -> None:
    target = ("--target", "npu-ethos-u55-128-int8")
    found = document("measure", abd_checkpoint, *SMALL, *target, "--assignment", mix)
    assert found["result"]["kind"] == "modelled"
    assert 0.5 < found["result"]["arms"][1]["ratio"] < 1.0
    assert found["result"]["arms"][1]["memory"]["unit"] == "KiB"


def test_measure_without_a_mix_measures_the_original_twice(abd_checkpoint: Path) -> None:
    target = ("--target", "npu-ethos-u55-128-int8")
    found = document("measure", abd_checkpoint, *SMALL, *target)
    assert [(arm["name"], arm["ratio"]) for arm in found["result"]["arms"]] == [
        ("original", 1.0),
        ("again", 1.0),
    ]


def test_apply_exports_the_mix(abd_checkpoint: Path, mix: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.onnx"
    done = document(
        "apply", abd_checkpoint, *SMALL, "--assignment", mix, "--no-recalibrate", "--out", out
    )
    wanted = Assignment.from_json(mix.read_text())
    sites = graph.find_sites(onnx.load(str(out)))
    assert {site.key: site.activation for site in sites} == wanted.mapping
    assert done["recalibration_images"] == 0

    # an ONNX file goes the same ways
    inspected = document("inspect", out)
    assert inspected["assignment"]["hash"] == wanted.hash
    relu = tmp_path / "relu.json"
    relu.write_text(Assignment.uniform(wanted.sites, "relu").to_json())
    again = tmp_path / "again.onnx"
    document("apply", out, "--assignment", relu, "--no-recalibrate", "--out", again)
    assert {s.activation for s in graph.find_sites(onnx.load(str(again)))} == {"relu"}


def test_apply_recomputes_batchnorm_on_images(
    abd_checkpoint: Path, mix: Path, molecules: Path, tmp_path: Path
) -> None:
    common = (abd_checkpoint, *SMALL, "--assignment", mix)
    plain = document("apply", *common, "--no-recalibrate", "--out", tmp_path / "plain.onnx")
    tuned = document("apply", *common, "--data", molecules, "--out", tmp_path / "tuned.onnx")
    assert tuned["recalibration_images"] == 24
    assert tuned["sha256"] != plain["sha256"]


def test_search_without_data_is_a_cost_study(abd_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    arguments = ("search", abd_checkpoint, *SMALL, "--target", "npu-ethos-u55-128-int8")
    arguments += ("--activations", "relu,silu", "--out", folder)
    found = document(*arguments)
    result = Result.read(folder / "result.json")
    assert found == result.model_dump(mode="json")
    assert result.verdict.kind == "cost_study"

    status, _, err = actnas(*arguments)
    assert status == 2
    assert "is not empty; name another folder or give --resume" in err
    status, out, _ = actnas(*arguments, "--resume")
    assert status == 0
    assert "Cost study" in out


@pytest.mark.slow
def test_search_on_several_targets_makes_a_folder_each(
    abd_checkpoint: Path, tmp_path: Path
) -> None:
    wanted = ("npu-ethos-u55-128-int8", "cpu-onnxruntime-fp32")
    folder = tmp_path / "out"
    arguments = ["search", abd_checkpoint, *SMALL, "--activations", "relu,silu", "--out", folder]
    for target in wanted:
        arguments += ["--target", target]
    found = document(*arguments)
    assert found["schema"] == "actnas.results/1"
    assert tuple(found["results"]) == wanted
    for target in wanted:
        result = Result.read(folder / target / "result.json")
        assert result.target == target
        assert found["results"][target]["verdict"] == result.verdict.model_dump()
        for arm in result.arms:
            assert arm.file is not None
            assert (folder / target / arm.file).is_file()


def bad_inputs() -> list[Any]:
    rows = [
        ("unknown target", "measure {pt} --target cpu-tpu", "unknown target 'cpu-tpu'; known: cpu"),
        (
            "unknown activation",
            "measure {pt} --target cpu-openvino-fp32 --uniform swish",
            "unknown activation 'swish'; known: relu, ",
        ),
        (
            "unknown candidate",
            "search {pt} --target cpu-openvino-fp32 --activations relu,swish --out {out}",
            "unknown activation 'swish'",
        ),
        ("no model", "inspect {here}/none.pt", "no model file"),
        ("truncated checkpoint", "inspect {cut}", "cut.pt"),
        ("not a model", "inspect {text}", "accepted: .pt, .yaml, .onnx"),
        ("image size", "inspect {pt} --imgsz 65", "image size 65"),
        ("image size is no number", "inspect {pt} --imgsz big", "invalid int value: 'big'"),
        ("no command", "", "COMMAND"),
        ("missing argument", "measure {pt}", "required: --target"),
        (
            "calibration",
            "measure {pt} --target cpu-onnxruntime-int8",
            "cpu-onnxruntime-int8 needs calibration images: give --data",
        ),
        (
            "assignment is no JSON",
            "apply {pt} --assignment {text} --no-recalibrate --out {out}.onnx",
            "text.txt: assignment is not JSON",
        ),
        (
            "assignment of another model",
            "apply {pt} --assignment {other} --no-recalibrate --out {out}.onnx",
            "different sites: 'elsewhere' is only in the assignment, 'model.0.act' is only in the "
            "model (1 and 57 sites)",
        ),
        (
            "no images and no word about it",
            "apply {pt} --assignment {other} --out {out}.onnx",
            "one of the arguments --data --no-recalibrate is required",
        ),
        (
            "wrong suffix",
            "apply {pt} --assignment {other} --no-recalibrate --out {out}.pt",
            "must end in .onnx",
        ),
        (
            "limit",
            "search {pt} --target cpu-openvino-fp32 --max-latency-ratio 0 --out {out}",
            "--max-latency-ratio is 0.0; a number above 0",
        ),
        (
            "loss",
            "search {pt} --target cpu-openvino-fp32 --max-map-loss 3 --out {out}",
            "--max-map-loss is 3.0; 0 to 1",
        ),
        (
            "no data",
            "search {pt} --target cpu-openvino-fp32 --data {here}/none --out {out}",
            "no data set",
        ),
        (
            "folder in use",
            "search {pt} --target cpu-openvino-fp32 --out {here}",
            "is not empty",
        ),
        (
            "truncated checkpoint in a search",
            "search {cut} --target npu-ethos-u55-128-int8 --out {out}",
            "cut.pt",
        ),
    ]
    return [pytest.param(command, message, id=name) for name, command, message in rows]


@pytest.mark.parametrize(("command", "message"), bad_inputs())
def test_bad_input_is_one_line_and_leaves_nothing(
    command: str,
    message: str,
    abd_checkpoint: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "cut.pt").write_bytes(abd_checkpoint.read_bytes()[:100_000])
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "other.json").write_text(Assignment.uniform(["elsewhere"], "relu").to_json())
    before = sorted(tmp_path.iterdir())
    places = {
        "pt": abd_checkpoint,
        "cut": tmp_path / "cut.pt",
        "text": tmp_path / "text.txt",
        "other": tmp_path / "other.json",
        "here": tmp_path,
        "out": tmp_path / "out",
    }
    status, out, err = actnas(*command.format(**places).split())
    assert status == 2
    assert out == ""
    assert err.startswith("actnas: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_bundle_is_carried_away_and_its_results_are_held_against_it(
    abd_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    command = ["bundle", abd_checkpoint, *SMALL, "--activations", "relu,silu", "--seconds", 3]
    asked = document(*command, "--target", "cpu-onnxruntime-fp32", "--out", folder)
    (job,) = asked["jobs"]
    assert actnas(*command, "--target", "cpu-onnxruntime-fp32", "--out", folder)[::2] == (
        2,
        f"actnas: {folder} exists; name a folder that does not\n",
    )
    status, _, said = actnas("results", folder)
    assert (status, said) == (2, "actnas: results.json cannot be read: No such file or directory\n")
    run = subprocess.run([sys.executable, str(folder / "run.py")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    back = document("results", folder)
    (result,) = back["results"]
    names = [arm["name"] for arm in result["arms"]]
    assert names == ["original", "original again", "uniform:relu"]
    assert (back["failed"], back["missing"]) == ([], [])
    assert result["noise"]["source"] == "lease"
    assert "uniform:relu" in actnas("results", folder)[1]

    content = json.loads((folder / "results.json").read_text())
    content["returned"][0]["sha256"] = "0" * 64
    (folder / "results.json").write_text(json.dumps(content))
    assert "which this bundle has not" in actnas("results", folder)[2]
    assert job["target"] == "cpu-onnxruntime-fp32"


def test_every_cost_model_can_be_asked_for() -> None:
    asked = ["search", "a.pt", "--target", "cpu-openvino-fp32", "--out", "out", "--cost-model"]
    for name in COST_MODELS:
        assert cli.parser().parse_args([*asked, name]).cost_model == name
    with pytest.raises(BadRequest, match="invalid choice: 'guess'"):
        cli.parser().parse_args([*asked, "guess"])
