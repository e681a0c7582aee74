"""Exported models answer in a process that knows nothing of this package, as Python does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.eager import eagerly
from tests.processor import BFLOAT16, computes_in_bfloat16
from tests.serving.examples import (
    NAMES,
    SHAPE,
    SIGNATURES,
    assert_alike,
    example,
    python_answer,
    requests,
)
from tfp_lcma import export_saved_model

# Other forms.
VARIANTS = {
    "bfloat16": ("toy", {"network_dtype": "bfloat16"} if BFLOAT16 else {}),
    "compiled": ("toy", {"jit_compile": True}),
}
# Without conditions, with them, and by iteration; then the other families.
PLAIN = ["toy", "glow_with_classes", "residual_flow"]
OTHERS = [name for name in NAMES if name not in (*PLAIN, "real_nvp_with_vectors")]

# All signatures of one; of the others, as many as it takes to ask each of the four passes, and of
# what XLA compiles for every number of rows.
PASSES = (
    "event_log_prob_encoded", "interpolate", "log_prob_with_seed", "sample_with_temperature",
)  # fmt: skip
ASKED = {
    "toy": SIGNATURES,
    "compiled": ("log_prob_encoded",),
}
# Bytes, whole numbers with seeds, floats: all that saved_model_cli reads from files.
BY_COMMAND_LINE = ("event_log_prob_encoded", "log_prob_with_seed", "sample_with_temperature")


def exported_and_asked(forms, tmp_path_factory):
    """Exports models; returns the folder in which another process left its answers."""
    versions, folder = tmp_path_factory.mktemp("saved_models"), tmp_path_factory.mktemp("outside")
    exported = {}
    for form in forms:
        name, options = VARIANTS.get(form, (form, {}))
        model = example(name)
        exported[form] = str(export_saved_model(model, versions / form, **options))
        flat = {
            f"{name}/{given}": value
            for name, request in requests(model).items()
            for given, value in request.items()
            if name in ASKED.get(form, PASSES)
        }
        np.savez(folder / f"{form}.npz", **flat)
    (folder / "models.json").write_text(json.dumps(exported))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = Path(__file__).parent / "outside.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder), *BY_COMMAND_LINE],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    return exported_and_asked([*PLAIN, *VARIANTS], tmp_path_factory)


def answers(folder, form, how):
    """Every signature's answer, by its name."""
    with np.load(folder / f"{form}_answers.npz") as file:
        paths = [path.split("/") for path in file.files]
        return {
            name: {n[2]: file["/".join(n)] for n in paths if n[:2] == [how, name]}
            for name in {path[1] for path in paths if path[0] == how}
        }


def test_serving_needs_tensorflow_alone(outside):
    assert json.loads((outside / "foreign.json").read_text()) == []


def assert_answers_are_the_models(name, outside):
    model = example(name)
    got = answers(outside, name, "together")
    assert sorted(got) == sorted(ASKED.get(name, PASSES))
    with eagerly():
        for signature, answer in got.items():
            request = requests(model)[signature]
            assert_alike(answer, python_answer(model, signature, request))


def assert_rows_are_answered_alone(form, outside):
    alone = answers(outside, form, "alone")
    for signature, expected in answers(outside, form, "together").items():
        assert_alike(alone[signature], expected)


@pytest.mark.parametrize("name", PLAIN)
def test_signatures_answer_as_the_python_model(name, outside):
    assert_answers_are_the_models(name, outside)


@pytest.mark.parametrize("form", [*PLAIN, *VARIANTS])
def test_one_request_of_many_rows_is_many_requests_of_one(form, outside):
    assert_rows_are_answered_alone(form, outside)


@pytest.mark.slow
def test_other_families_answer_as_in_python_row_by_row(tmp_path_factory):
    outside = exported_and_asked(OTHERS, tmp_path_factory)
    for name in OTHERS:
        assert_answers_are_the_models(name, outside)
        assert_rows_are_answered_alone(name, outside)


def test_compiled_signatures_answer_as_plain_ones(outside):
    plain, compiled = (answers(outside, form, "together") for form in ("toy", "compiled"))
    assert sorted(compiled) == sorted(ASKED["compiled"])
    for signature, got in compiled.items():
        assert_alike(got, plain[signature])


@computes_in_bfloat16
def test_networks_in_bfloat16_are_close_but_not_the_same(outside):
    model = example("toy")
    for signature, got in answers(outside, "bfloat16", "together").items():
        expected = python_answer(model, signature, requests(model)[signature])
        assert_alike(got, expected, relative=2e-2)
        if signature == "log_prob_with_seed":
            assert np.any(got["log_prob"] != expected["log_prob"])


@pytest.mark.parametrize("signature", BY_COMMAND_LINE)
def test_saved_model_cli_runs_signatures_of_every_kind_of_input(signature, outside):
    model = example("toy")
    got = answers(outside, "toy", "command")[signature]
    assert_alike(got, python_answer(model, signature, requests(model)[signature]))


def test_saved_model_cli_shows_signatures_and_finds_nothing_dangerous(outside):
    said = json.loads((outside / "said.json").read_text())
    for signature in ("serving_default", *SIGNATURES):
        assert f"signature_def['{signature}']" in said["show"]
    rows = f"(-1, {', '.join(map(str, SHAPE))})"
    for line in ("inputs['images']", "inputs['image_bytes']", "DT_UINT8", "DT_STRING", rows):
        assert line in said["show"]
    assert "outputs['bits_per_dimension']" in said["show"]
    assert "does not contain the default denylisted ops" in said["scan"]
