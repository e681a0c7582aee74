"""The check of an exported version names what is damaged, and knows no more than a server."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tests.serving.examples import example
from tfp_lcma import export_saved_model
from tfp_lcma.training.cli.check import check as command
from tfp_lcma.training.tryout.check_export import check_signatures, check_warm_up, read_card
from tfp_lcma.training.tryout.session import Served

ROOT = Path(__file__).parents[3]
CARD = "assets.extra/model.json"
WARM_UP = "assets.extra/tf_serving_warmup_requests"
SUMS = "assets.extra/SHA256SUMS"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_saved_model(example("toy"), tmp_path_factory.mktemp("saved") / "toy")


@pytest.fixture
def copy(exported, tmp_path):
    return Path(shutil.copytree(exported, tmp_path / "toy" / "3"))


def check(path):
    return CliRunner().invoke(command, [str(path)])


def replace(version, name, content):
    """Replaces a file and its checksum, so that only its content can tell."""
    (version / name).write_bytes(content)
    lines = (version / SUMS).read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.endswith(f"{name}\n")]
    digest = hashlib.sha256(content).hexdigest()
    (version / SUMS).write_text("".join([*kept, f"{digest}  {name}\n"]))


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_a_sound_version_passes_in_a_process_that_imports_no_flow(exported):
    program = (
        "import sys; from tfp_lcma.training.cli.check import check; "
        f"check(['{exported.parent}'], standalone_mode=False); "
        "print(sorted({'tensorflow_probability', 'tfp_lcma.bijectors'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said, foreign = done.stdout.splitlines()
    assert said == f"{exported}: files, 16 signatures and 16 warm-up requests are in order."
    assert foreign == "[]"


@pytest.mark.parametrize("name", [CARD, WARM_UP, "saved_model.pb", "variables/variables.index"])
def test_a_flipped_bit_is_found_in_any_file(copy, name):
    flip(copy / name, (copy / name).stat().st_size // 2)
    result = check(copy.parent)
    assert result.exit_code == 1
    assert f"{copy} is damaged" in result.output
    assert f"{name} is not what was exported" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", [CARD, WARM_UP, SUMS])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    result = check(copy)
    assert result.exit_code == 1
    assert name in result.output


@pytest.mark.parametrize("name", ["extra.txt", "variables/.hidden", "assets/link"])
def test_a_file_that_was_not_exported_is_named(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    if name.endswith("link"):
        (copy / name).symlink_to(copy / "nowhere")
    else:
        (copy / name).touch()
    assert f"{name} is not among the files that were exported" in check(copy).output


@pytest.mark.parametrize(
    "put", [os.mkfifo, lambda file: file.symlink_to("nowhere"), lambda file: file.symlink_to(".")]
)
def test_what_is_no_file_is_named_and_not_read(copy, put):
    (copy / "fingerprint.pb").unlink()
    put(copy / "fingerprint.pb")
    result = check(copy)
    assert (result.exit_code, "fingerprint.pb is no file" in result.output) == (1, True)


def test_a_file_that_cannot_be_read_is_named(copy, monkeypatch):
    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert "saved_model.pb cannot be read: Input/output error." in check(copy).output


def test_files_are_needed_whether_checksums_list_them_or_not(copy):
    (copy / SUMS).write_text("")
    (copy / "saved_model.pb").unlink()
    result = check(copy)
    for name in ("variables/variables.index", CARD):
        assert f"{name} is not among the files that were exported" in result.output
    assert "saved_model.pb is missing" in result.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-10], "JSONDecodeError"),
        (lambda text: text.replace('"signatures"', '"sgnatures"'), "KeyError: 'signatures'"),
        (lambda text: text.replace('"dtype": "uint8", "shape"', '"shape"'), "KeyError: 'dtype'"),
        (lambda text: text.replace('requests": 16', 'requests": null'), "TypeError"),
    ],
)
def test_a_card_that_cannot_be_read_is_named(copy, change, message):
    replace(copy, CARD, change((copy / CARD).read_text()).encode())
    result = check(copy)
    assert result.exit_code == 1
    assert f"{CARD} cannot be read: {message}" in result.output


def test_a_model_that_does_not_load_is_named(copy):
    replace(copy, "saved_model.pb", b"nothing of the kind")
    result = check(copy)
    assert result.exit_code == 1
    assert "saved_model.pb does not load into a session" in result.output


def test_the_latest_version_is_checked_and_a_folder_without_any_is_refused(copy, tmp_path):
    (copy.parent / "2").mkdir()
    (copy / CARD).unlink()
    assert f"{copy} is damaged" in check(copy.parent).output
    result = check(tmp_path)
    assert result.exit_code == 1
    assert "must hold versions of an exported model" in result.output


# --- what only the content can tell ---


@pytest.fixture(scope="module")
def served(exported):
    with Served(exported) as served:
        yield served


def test_damaged_warm_up_requests_are_counted_to(served, copy):
    path, card = copy / WARM_UP, read_card(copy)
    whole = path.read_bytes()
    assert not list(check_warm_up(served, copy, card))

    def problem():
        (found,) = check_warm_up(served, copy, card)
        assert found.startswith(WARM_UP)
        return found

    path.write_bytes(whole[:-5])
    assert "request 15: truncated record" in problem()
    path.write_bytes(b"")
    assert "has 0 requests" in problem()
    path.write_bytes(whole)
    flip(path, 30)
    assert "request 0: corrupted record" in problem()
    path.unlink()
    assert "is missing; it had 16 requests" in problem()


def test_warm_up_requests_that_the_model_does_not_answer_are_named(served, copy, monkeypatch):
    card = read_card(copy)
    monkeypatch.delitem(served.signatures, "decode")
    (found,) = check_warm_up(served, copy, card)
    assert "signature must be one of" in found and "got 'decode'" in found
    monkeypatch.undo()
    answers = {"log_prob": np.array([np.nan]), "bits_per_dimension": np.zeros(2)}
    monkeypatch.setattr(served, "ask", lambda name, inputs: answers)
    found = "\n".join(check_warm_up(served, copy, card))
    assert "request 0: log_prob of log_prob is not finite" in found
    assert "request 0: bits_per_dimension of log_prob has 2 rows; asked for 1" in found


def test_warm_up_requests_with_inputs_of_different_rows_are_named(served, copy):
    path, card = copy / WARM_UP, read_card(copy)
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "sample_with_temperature"
    request.inputs["seed"].CopyFrom(tf.make_tensor_proto(np.zeros((2, 2), np.int32)))
    request.inputs["temperature"].CopyFrom(tf.make_tensor_proto(np.ones(3, np.float32)))
    log = prediction_log_pb2.PredictLog(request=request)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
    found, count = check_warm_up(served, copy, card)
    assert found.endswith("request 0: inputs of sample_with_temperature differ in their rows.")
    assert "has 1 requests" in count


def test_a_card_whose_table_is_not_the_models_is_found_out(served, copy):
    table = read_card(copy)["signatures"]
    assert not list(check_signatures(served, table))
    changed = json.loads(json.dumps(table))
    changed["log_prob"]["inputs"]["images"]["dtype"] = "float32"
    changed["sample"]["outputs"]["images"]["shape"] = [None, 5, 4, 1]
    del changed["decode"]
    found = list(check_signatures(served, changed))
    assert found[0].startswith("saved_model.pb has the signatures decode, ")
    assert [text.split(" has ")[0] for text in found[1:]] == ["log_prob", "sample"]


def test_a_session_says_what_it_can_be_asked(served):
    with pytest.raises(ValueError, match=r"signature must be one of decode, .*; got 'smile'"):
        served.ask("smile", {"images": np.zeros(1)})
    with pytest.raises(ValueError, match="log_prob_with_seed takes images, seed; got images"):
        served.ask("log_prob_with_seed", {"images": np.zeros(1)})
