"""Exporting: what a version holds, what is refused, and that it appears whole or not at all."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.eager import eagerly
from tests.processor import computes_in_bfloat16
from tests.seeds import seed_initializers
from tests.serving.examples import SIGNATURES, example, requests
from tests.toys import tiny_model
from tfp_lcma import export_saved_model
from tfp_lcma.files import names_in, read_bytes
from tfp_lcma.serving import network_dtype, signatures

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(monkeypatch):
    """Replaces tracing and writing, which take seconds."""

    def save(module, folder, signatures, options):
        os.mkdir(folder)
        (Path(folder) / "saved_model.pb").write_text(json.dumps(sorted(signatures)))

    monkeypatch.setattr(tf.saved_model, "save", save)
    monkeypatch.setattr(type(tf.function(lambda: None)), "get_concrete_function", lambda self: None)


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """An export with everything that can be said about it."""
    return export_saved_model(
        example("glow_with_classes"),
        tmp_path_factory.mktemp("saved") / "glow",
        warm_up_rows=(1, 3),
        recipe={"name": "digits_glow"},
        metrics={"bits_per_dimension": 2.5},
        pixels={"background": 7},
    )


# --- what a version holds ---


def test_a_version_is_a_saved_model_and_what_goes_with_it(version):
    assert version.name == "1"
    assert [path.name for path in version.parent.iterdir()] == ["1"]
    files = {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()}
    assert files >= {
        "saved_model.pb",
        "variables/variables.index",
        "assets.extra/model.json",
        "assets.extra/tf_serving_warmup_requests",
        "assets.extra/SHA256SUMS",
    }


def test_card_says_what_the_model_is(version):
    card = json.loads((version / "assets.extra" / "model.json").read_text())
    assert card["event_shape"] == [4, 4, 1]
    assert card["bins"] == 17
    assert (card["dtype"], card["network_dtype"], card["jit_compile"]) == ("float32", None, False)
    assert (card["conditions"], card["seed"]) == (3, 0)
    assert card["max_rows"] == 1024
    # Two levels of one step.
    assert card["flow"]["bijectors"]["Repeated"] == card["flow"]["bijectors"]["Coupling"] == 2
    assert card["flow"]["parameters"] == example("glow_with_classes").count_params()
    assert card["factorization"]["class"] == "Channel"
    assert np.array_equal(card["exit_map"], example("glow_with_classes").flow.exit_map)
    assert card["recipe"] == {"name": "digits_glow"}
    assert card["metrics"] == {"bits_per_dimension": 2.5}
    settings = {"height": 4, "width": 4, "channels": 1, "bins": 17, "background": 7}
    assert card["pixels"] == settings
    assert card["versions"]["tensorflow"] == tf.__version__
    assert card["created"].endswith("+00:00")


def test_card_has_the_table_of_signatures(version):
    table = json.loads((version / "assets.extra" / "model.json").read_text())["signatures"]
    assert sorted(table) == SIGNATURES
    assert table["sample"]["inputs"]["seed"]["shape"] == [None, 2]
    assert table["sample"]["inputs"]["condition"]["dtype"] == "int32"
    assert table["log_prob_encoded"]["inputs"]["image_bytes"]["dtype"] == "string"
    assert table["event_log_prob"]["outputs"]["event_log_prob"]["shape"] == [None, 4, 4, 1]


def test_warm_up_asks_every_signature_for_every_number_of_rows(version):
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    asked = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        rows = {value.tensor_shape.dim[0].size for value in request.inputs.values()}
        assert len(rows) == 1
        assert "condition" in request.inputs
        asked.append((request.model_spec.signature_name, *rows))
    assert sorted(asked) == sorted((name, rows) for name in SIGNATURES for rows in (1, 3))
    card = json.loads((version / "assets.extra" / "model.json").read_text())
    assert card["warm_up_requests"] == len(asked)


def test_checksums_are_those_of_all_other_files(version):
    lines = (version / "assets.extra" / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()}
    assert set(sums) == files - {"assets.extra/SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((version / name).read_bytes()).hexdigest() == digest


def test_without_the_protos_an_export_has_no_warm_up_and_says_so(tmp_path, quick, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("tensorflow_serving")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    with pytest.warns(UserWarning, match="no warm-up requests.*tensorflow-serving-api"):
        made = export_saved_model(example("toy"), tmp_path)
    assert not (made / "assets.extra" / "tf_serving_warmup_requests").exists()
    assert json.loads((made / "assets.extra" / "model.json").read_text())["warm_up_requests"] == 0


# --- what is refused ---


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    model = tiny_model()
    model.initialize(requests(example("toy"))["log_prob"]["images"])
    variable = model.trainable_variables[0]
    variable.assign(variable * np.nan)
    with pytest.raises(ValueError, match=f"finite weights.*{variable.path} has not"):
        export_saved_model(model, tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


def test_a_model_never_initialised_is_refused(tmp_path):
    with pytest.raises(ValueError, match="never initialised"):
        export_saved_model(tiny_model(), tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("toy", {"network_dtype": "float16"}, "network_dtype must be None or one of float32"),
        ("residual_flow", {"network_dtype": "bfloat16"}, "None for a flow without couplings"),
        ("toy", {"warm_up_rows": (0,)}, "warm_up_rows must be a whole number >= 1; got 0"),
        ("toy", {"warm_up_rows": range(1, 90)}, "at most 1000 requests to 16 signatures; got 89"),
        ("toy", {"recipe": {"model": object()}}, "recipe must be what JSON can hold"),
        ("toy", {"pixels": {"height": 5}}, "pixels must agree with the model"),
        ("toy", {"metrics": {"test": float("nan")}}, "metrics must be what JSON can hold"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        export_saved_model(example(name), tmp_path / "toy", **options)
    assert not (tmp_path / "toy").exists()


def test_networks_of_a_float64_flow_stay_in_it():
    model = tiny_model(dtype="float64")
    with pytest.raises(ValueError, match="network_dtype must be None for a flow in float64"):
        network_dtype.with_network_dtype(model, "bfloat16")


# --- other types ---


@computes_in_bfloat16
def test_only_networks_change_their_type():
    model = example("real_nvp_with_vectors")
    copy = network_dtype.with_network_dtype(model, "bfloat16")
    for mine, theirs in zip(copy.weights, model.weights, strict=True):
        assert mine.dtype == theirs.dtype == "float32"
        np.testing.assert_array_equal(mine, theirs)
    assert copy.flow.dtype == tf.float32
    policies = [
        (type(layer).__name__, layer.dtype_policy.name)
        for part in copy.flow.kinds
        for layer in part.layers
    ]
    assert ("ResidualNetwork", "mixed_bfloat16") in policies
    assert {policy for name, policy in policies if name != "ResidualNetwork"} == {"float32"}
    back = network_dtype.with_network_dtype(copy, "float32")
    request = requests(model)["log_prob"]
    given = request["images"], request["condition"]
    with eagerly():
        np.testing.assert_array_equal(back.log_prob(*given), model.log_prob(*given))
        assert np.any(copy.log_prob(*given) != model.log_prob(*given))
        # The flow is inverted as exactly as before.
        z = copy.encode(*given)
        np.testing.assert_allclose(copy.decode(z, given[1]), given[0] + 0.5, atol=1e-3)


def test_a_flow_in_float64_is_served_in_float32():
    seed_initializers(0)
    model = tiny_model(dtype="float64")
    images = requests(example("toy"))["log_prob"]["images"]
    model.initialize(images)
    table = {s.name: s for s in signatures.build_signatures(model)}
    got = table["log_prob"].function(images)
    np.testing.assert_allclose(got["log_prob"], model.log_prob(images), rtol=1e-6)
    z = table["encode"].function(images + np.float32(0.5))["latents"]
    again = table["decode"].function(z)["images"]
    assert z.dtype == again.dtype == tf.float32
    np.testing.assert_allclose(again, images + 0.5, atol=1e-2)


# --- whole or not at all ---


def test_a_failing_export_leaves_nothing_behind(tmp_path, quick, monkeypatch):
    export_saved_model(example("toy"), tmp_path)

    def fail(module, folder, signatures, options):
        os.makedirs(os.path.join(folder, "variables"))
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match=f"the export cannot be written to {tmp_path}: disk full"):
        export_saved_model(example("toy"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_full_disk_is_a_sentence(tmp_path, quick, monkeypatch):
    def fail(module, folder, signatures, options):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match=f"cannot be written to {tmp_path}: No space left on device"):
        export_saved_model(example("toy"), tmp_path)


def test_an_export_to_another_file_system_is_whole_there(quick):
    made = export_saved_model(example("toy"), "ram://exports/toy")
    assert made == "ram://exports/toy/1"
    assert names_in(made) == ["assets.extra", "saved_model.pb"]
    sums = read_bytes(f"{made}/assets.extra/SHA256SUMS").decode().splitlines()
    for digest, name in (line.split("  ") for line in sums):
        assert hashlib.sha256(read_bytes(f"{made}/{name}")).hexdigest() == digest
    assert {name for _, name in (line.split("  ") for line in sums)} == {
        "saved_model.pb",
        "assets.extra/model.json",
        "assets.extra/tf_serving_warmup_requests",
    }


@pytest.mark.parametrize("directory", [Path("gs://bucket/toy"), "nowhere://bucket/toy"])
def test_a_path_in_no_file_system_is_refused_before_anything_is_made(
    directory, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="directory must be"):
        export_saved_model(example("toy"), directory)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_exporters_at_once_make_a_version_each_and_one_that_is_killed_makes_none(tmp_path):
    folder = tmp_path / "model"
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.racing", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.stdout == f"[0, 0, {-signal.SIGKILL}]\n", done.stderr[-3000:]
    left, *versions = sorted(folder.iterdir())
    assert [path.name for path in versions] == ["1", "2"]
    assert (left / "saved_model.pb").read_text() == "half"
    assert not left.name.isdecimal()
    for version in versions:
        assert (version / "saved_model.pb").read_text() == "whole"
        assert (version / "assets.extra" / "SHA256SUMS").exists()
