"""Configuration files for TensorFlow Serving are what it reads."""

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfp_lcma.export_layout import MAX_ROWS
from tfp_lcma.files import copy_out, read_bytes
from tfp_lcma.serving import write_serving_config


def exported(folder, *versions):
    for version in versions:
        path = folder / version
        path.mkdir(parents=True)
        (path / "saved_model.pb").touch()


def test_models_config_lists_every_model_where_the_server_sees_it(tmp_path):
    exported(tmp_path, "digits/1", "digits/2", 'cats "and" dogs/7', "half/.8.abc.tmp")
    (tmp_path / "notes").mkdir()
    write_serving_config(tmp_path)
    text = (tmp_path / "models.config").read_text()
    parsed = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    assert [(c.name, c.base_path, c.model_platform) for c in parsed.model_config_list.config] == [
        ('cats "and" dogs', '/models/cats "and" dogs', "tensorflow"),
        ("digits", "/models/digits", "tensorflow"),
    ]
    write_serving_config(tmp_path, base_path="/srv/")
    assert 'base_path: "/srv/digits"' in (tmp_path / "models.config").read_text()


def test_batches_are_filled_up_to_few_sizes_the_largest_of_which_is_the_limit(tmp_path):
    exported(tmp_path, "digits/1")
    _, path = write_serving_config(tmp_path)
    lines = path.read_text().splitlines()
    sizes = [int(line.split(": ")[1]) for line in lines if line.startswith("allowed_batch_sizes")]
    assert sizes == sorted(set(sizes)) and sizes[0] == 1
    # As the server wants it where large requests are split.
    assert f"max_execution_batch_size {{ value: {sizes[-1]} }}" in lines


def test_a_request_may_have_more_rows_than_a_batch(tmp_path):
    exported(tmp_path, "digits/1")
    _, path = write_serving_config(tmp_path)
    lines = path.read_text().splitlines()
    assert "enable_large_batch_splitting { value: true }" in lines
    assert "max_batch_size { value: 1024 }" in lines
    assert MAX_ROWS == 1024


@pytest.mark.parametrize("version", [str(2**63), "latest", "1.5", "-1", "٣", "."])
def test_a_model_that_no_server_would_find_is_refused_by_name(version, tmp_path):
    exported(tmp_path, "digits/1", f"cats/{version}")
    with pytest.raises(ValueError, match=r"directory must hold <name>/<version>/.*cats"):
        write_serving_config(tmp_path)
    assert not (tmp_path / "models.config").exists()


def test_models_in_another_file_system_are_listed_there(tmp_path):
    exported(tmp_path, "digits/1")
    copy_out(tmp_path, "ram://config")
    written = write_serving_config("ram://config", base_path="gs://bucket")
    assert written == ["ram://config/models.config", "ram://config/batching_params.pbtxt"]
    assert b'base_path: "gs://bucket/digits"' in read_bytes(written[0])


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(ValueError, match="directory must hold exported models"):
        write_serving_config(tmp_path)
    assert not list(tmp_path.iterdir())
