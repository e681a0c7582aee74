"""Version numbers: counted up, and claimed by one exporter each, whole."""

import multiprocessing
import shutil

import pytest
import tensorflow as tf

from tfp_lcma.files import read_bytes
from tfp_lcma.serving.versions import publish

EXPORTERS, ROUNDS = 4, 50


def finished(path, content="new"):
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_text(content)
    return path


def test_versions_count_up_from_the_largest_and_skip_other_names(tmp_path):
    versions = tmp_path / "model"
    for name in ("2", "10", "latest", "9.5", ".11.abc.tmp"):
        finished(versions / name, "old")
    assert publish(finished(tmp_path / "a"), versions) == versions / "11"
    assert publish(finished(tmp_path / "b"), versions) == versions / "12"
    assert (versions / "10" / "saved_model.pb").read_text() == "old"


def test_the_first_version_is_1(tmp_path):
    versions = tmp_path / "model"
    versions.mkdir()
    assert publish(finished(tmp_path / "a"), versions).name == "1"


@pytest.mark.parametrize("taken", ["folder", "file"])
def test_a_version_that_appears_meanwhile_is_left_alone(tmp_path, monkeypatch, taken):
    versions = tmp_path / "model"
    versions.mkdir()
    (finished if taken == "folder" else type(versions).write_text)(versions / "1", "other")
    # As if it had not been there when the largest was looked for.
    monkeypatch.setattr("tfp_lcma.serving.versions._largest_version", lambda _: 0)
    assert publish(finished(tmp_path / "a"), versions) == versions / "2"
    old = versions / "1" / "saved_model.pb" if taken == "folder" else versions / "1"
    assert old.read_text() == "other"


def test_names_that_no_server_reads_do_not_count(tmp_path):
    versions = tmp_path / "model"
    for name in ("3", str(2**63), "9" * 30, "-7", "٩"):
        finished(versions / name, "old")
    assert publish(finished(tmp_path / "a"), versions) == versions / "4"


def test_no_version_is_published_above_the_largest_that_a_server_reads(tmp_path):
    versions = tmp_path / "model"
    finished(versions / str(2**63 - 1), "old")
    with pytest.raises(ValueError, match="directory must leave a version above its largest"):
        publish(finished(tmp_path / "a"), versions)


def test_versions_in_another_file_system_count_up_too(tmp_path):
    assert publish(finished(tmp_path / "a"), "ram://versions/model") == "ram://versions/model/1"
    assert publish(finished(tmp_path / "b"), "ram://versions/model") == "ram://versions/model/2"
    assert read_bytes("ram://versions/model/1/saved_model.pb") == b"new"


def test_in_another_file_system_what_is_needed_to_load_comes_last(tmp_path, monkeypatch):
    made = finished(tmp_path / "a")
    for name in ("z/variables", "assets"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text("")
    placed, rename = [], tf.io.gfile.rename

    def recorded(source, target, **options):
        placed.append(target)
        rename(source, target, **options)

    monkeypatch.setattr(tf.io.gfile, "rename", recorded)
    publish(made, "ram://last/model")
    names = [target.removeprefix("ram://last/model/1/") for target in placed]
    assert names == ["assets", "z/variables", "saved_model.pb"]


def test_a_rename_that_fails_for_another_reason_is_an_error(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "nothing", tmp_path / "model")


def export(number, folder, barrier, found):
    """One of several exporters that publish at the same moments."""
    for turn in range(ROUNDS):
        made = finished(folder / f".{number}.{turn}.tmp", f"{number}/{turn}")
        barrier.wait(timeout=60)
        found.put((f"{number}/{turn}", publish(made, folder).name))


def test_exporters_that_race_get_different_whole_versions(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(EXPORTERS), context.Queue()
    racing = [
        context.Process(target=export, args=(number, tmp_path, barrier, found))
        for number in range(EXPORTERS)
    ]
    for process in racing:
        process.start()
    claims = [found.get(timeout=60) for _ in range(EXPORTERS * ROUNDS)]
    for process in racing:
        process.join()
        assert process.exitcode == 0
    assert sorted(int(name) for _, name in claims) == list(range(1, EXPORTERS * ROUNDS + 1))
    for content, name in claims:
        assert (tmp_path / name / "saved_model.pb").read_text() == content
    shutil.rmtree(tmp_path)
