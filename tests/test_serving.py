"""An exported model answers in a process that knows nothing of this package, as Python does."""

import json
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from tests.toys import pictures, tiny_model, trained_split
from tfp_lcma import export_saved_model, noise

CLIENT = """
    import sys
    import numpy as np
    import tensorflow as tf

    directory, requests, answers = sys.argv[1:]
    images, seeds = (np.load(requests)[name] for name in ("images", "seeds"))
    result = {}

    def keep(prefix, ask):
        for name in ("serving_default", "log_prob", "event_log_prob"):
            for key, value in ask(name, images=images).items():
                result[f"{prefix}/{name}/{key}"] = value
        one_by_one = [ask("log_prob", images=image[None])["log_prob"] for image in images]
        result[f"{prefix}/one_by_one"] = np.concatenate(one_by_one)
        result[f"{prefix}/samples"] = ask("sample", seed=seeds)["images"]
        result[f"{prefix}/backwards"] = ask("sample", seed=seeds[::-1])["images"][::-1]
        result[f"{prefix}/last"] = ask("sample", seed=seeds[-1:])["images"]

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], directory)

        def ask_session(name, **inputs):
            signature = loaded.signature_def[name]
            feed = {signature.inputs[key].name: value for key, value in inputs.items()}
            return session.run({k: v.name for k, v in signature.outputs.items()}, feed)

        keep("session", ask_session)

    model = tf.saved_model.load(directory)

    def ask_python(name, **inputs):
        inputs = {key: tf.constant(value) for key, value in inputs.items()}
        return {k: v.numpy() for k, v in model.signatures[name](**inputs).items()}

    keep("python", ask_python)
    # TensorFlow imports Keras by itself.
    foreign = {"tensorflow_probability", "tf_keras", "tfp_lcma"} & set(sys.modules)
    np.savez(answers, foreign=sorted(foreign), **result)
"""
IMAGES = pictures(7, seed=1)
# Keras makes an archive of the backend's own class.
Archive = type(keras.export.ExportArchive())
SEEDS = np.array([[1, 0], [2, 0], [1, 5], [3, -7]], np.int32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_saved_model(trained_split(), tmp_path_factory.mktemp("saved") / "toy")


@pytest.fixture(scope="module")
def outside(exported, tmp_path_factory):
    """Starts three processes without this package; returns how to wait for one of them."""
    folder = tmp_path_factory.mktemp("outside")
    np.savez(folder / "requests.npz", images=IMAGES, seeds=SEEDS)
    np.save(folder / "images.npy", IMAGES)
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
    cli = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    model = ["--dir", str(exported), "--tag_set", "serve"]
    inputs = ["--inputs", f"images={folder / 'images.npy'}", "--outdir", str(folder)]
    files = [str(folder / "requests.npz"), str(folder / "answers.npz")]
    commands = {
        "client": [sys.executable, "-c", textwrap.dedent(CLIENT), str(exported), *files],
        "show": [*cli, "show", "--dir", str(exported), "--all"],
        "run": [*cli, "run", *model, "--signature_def", "log_prob", *inputs],
    }
    running = {
        name: subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, command in commands.items()
    }

    def finished(name):
        output, errors = running[name].communicate(timeout=180)
        assert running[name].returncode == 0, errors
        return folder, output

    yield finished
    for process in running.values():
        process.kill()


@pytest.fixture(scope="module")
def answers(outside):
    folder, _ = outside("client")
    with np.load(folder / "answers.npz") as file:
        return dict(file)


LOADERS = pytest.mark.parametrize("loader", ["session", "python"])


# --- answers outside ---


def test_serving_needs_tensorflow_alone(answers):
    assert answers["foreign"].size == 0


@LOADERS
@pytest.mark.parametrize("signature", ["serving_default", "log_prob"])
def test_densities_are_those_of_the_python_model(loader, signature, answers):
    expected = trained_split().log_prob(IMAGES)
    got = answers[f"{loader}/{signature}/log_prob"]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    bits = answers[f"{loader}/{signature}/bits_per_dimension"]
    np.testing.assert_allclose(bits, trained_split().bits_per_dimension(IMAGES), rtol=1e-5)


@LOADERS
def test_density_maps_are_those_of_the_python_model(loader, answers):
    expected = trained_split().event_log_prob(IMAGES)
    got = answers[f"{loader}/event_log_prob/event_log_prob"]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@LOADERS
def test_one_request_of_many_rows_is_many_requests_of_one(loader, answers):
    np.testing.assert_allclose(
        answers[f"{loader}/one_by_one"], answers[f"{loader}/log_prob/log_prob"], rtol=1e-5
    )


@LOADERS
def test_a_seed_gives_its_image_in_any_batch(loader, answers):
    samples = answers[f"{loader}/samples"]
    assert samples.shape == (4, 4, 4, 1) and samples.dtype == np.float32
    assert samples.min() >= 0 and samples.max() < 256
    np.testing.assert_allclose(answers[f"{loader}/backwards"], samples, rtol=1e-4)
    np.testing.assert_allclose(answers[f"{loader}/last"], samples[-1:], rtol=1e-4)
    for first in range(4):
        for second in range(first):
            assert np.abs(samples[first] - samples[second]).max() > 1


@LOADERS
def test_samples_are_decoded_noise_of_the_seed(loader, answers):
    z = noise.normal_rows(SEEDS, (4, 4, 1), trained_split().flow.dtype)
    expected = np.clip(trained_split().decode(z), 0, 256)
    np.testing.assert_allclose(answers[f"{loader}/samples"], expected, rtol=1e-4, atol=1e-3)


def test_saved_model_cli_shows_the_signatures(outside):
    _, shown = outside("show")
    for signature in ("serving_default", "log_prob", "event_log_prob", "sample"):
        assert f"signature_def['{signature}']" in shown
    for line in ("inputs['images']", "inputs['seed']", "DT_UINT8", "DT_INT32", "(-1, 4, 4, 1)"):
        assert line in shown
    assert "outputs['bits_per_dimension']" in shown


def test_saved_model_cli_runs_a_signature(outside):
    folder, _ = outside("run")
    got = np.load(folder / "log_prob.npy")
    np.testing.assert_allclose(got, trained_split().log_prob(IMAGES), rtol=1e-5)


# --- versions, and what is refused ---


@pytest.fixture
def quick(monkeypatch):
    """Replaces the writing of the archive, which takes seconds."""

    def write_out(self, path, **kwargs):
        os.mkdir(path)
        with open(os.path.join(path, "saved_model.pb"), "w") as file:
            json.dump(sorted(self._endpoint_names), file)

    monkeypatch.setattr(Archive, "write_out", write_out)
    monkeypatch.setattr(
        Archive,
        "add_endpoint",
        lambda self, name, *args, **kwargs: self._endpoint_names.append(name),
    )


def test_the_first_version_is_1(exported):
    assert exported.name == "1" and exported.parent.name == "toy"
    assert [path.name for path in exported.parent.iterdir()] == ["1"]
    assert {path.name for path in exported.iterdir()} >= {"saved_model.pb", "variables"}


def test_versions_count_up_from_the_largest_and_skip_other_names(tmp_path, quick):
    for name in ("2", "10", "latest", "9.5", ".11.abc.tmp"):
        (tmp_path / name).mkdir()
    assert export_saved_model(trained_split(), tmp_path) == tmp_path / "11"
    assert export_saved_model(trained_split(), str(tmp_path)) == tmp_path / "12"


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    model = tiny_model()
    model.initialize(IMAGES)
    variable = model.trainable_variables[0]
    variable.assign(variable * np.nan)
    with pytest.raises(ValueError, match=f"finite weights.*{variable.path} has not"):
        export_saved_model(model, tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


def test_a_model_never_initialised_is_refused(tmp_path):
    with pytest.raises(ValueError, match="never initialised"):
        export_saved_model(tiny_model(), tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


def test_a_failing_export_leaves_nothing_behind(tmp_path, quick, monkeypatch):
    export_saved_model(trained_split(), tmp_path)

    def fail(self, path, **kwargs):
        os.makedirs(os.path.join(path, "variables"))
        raise OSError("disk full")

    monkeypatch.setattr(Archive, "write_out", fail)
    with pytest.raises(OSError, match="disk full"):
        export_saved_model(trained_split(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
