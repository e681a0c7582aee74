"""TFRecord files: what is read from them, by index, and what is refused."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.eager import eagerly
from tests.toys import pictures
from tests.training.data.sides import noise, rows, sides
from tests.training.tiny import make_small, tiny_run
from tfp_lcma.training.data import cache, load
from tfp_lcma.training.data.batches import batches, in_blocks
from tfp_lcma.training.data.folder import load_folder
from tfp_lcma.training.data.records import Records, load_records

OTHER_KEYS = ("image", "label")
IMAGENET_KEYS = ("image/encoded", "image/class/label")


@pytest.fixture(autouse=True)
def no_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def encoded(image, kind="png", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def write(path, contents, labels=None, keys=OTHER_KEYS):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number, content in enumerate(contents):
            feature = {keys[0]: tf.train.Feature(bytes_list={"value": [content]})}
            if labels is not None:
                feature[keys[1]] = tf.train.Feature(int64_list={"value": [int(labels[number])]})
            writer.write(
                tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
            )


def taken(dataset, number):
    return np.concatenate([batch.numpy() for batch in dataset.take(number)])


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("toy-train.tfrecord-0000{}-of-00002", "toy-test.tfrecord"), OTHER_KEYS),
        (("train-0000{}-of-00002", "test-00000-of-00001"), IMAGENET_KEYS),
    ],
)
def test_images_and_classes_of_every_side_arrive_unchanged_and_once(tmp_path, names, keys):
    train, test = noise(20, 8, 8, 3), noise(4, 8, 8, 3)
    for part in range(2):
        own = train[10 * part : 10 * (part + 1)]
        classes = own[:, 0, 0, 0] % 10
        write(tmp_path / names[0].format(part), map(encoded, own), classes, keys)
    write(tmp_path / names[1], map(encoded, test), test[:, 0, 0, 0] % 10, keys)
    dataset = load(tmp_path, image_size=8, labels=True)
    assert isinstance(dataset.train.images, Records)
    assert [len(side) for side in sides(dataset)] == [18, 2, 4]
    read = [np.asarray(side.images) for side in sides(dataset)]
    assert rows(read[0]) | rows(read[1]) == rows(train)
    np.testing.assert_array_equal(read[2], test)
    for images, side in zip(read, sides(dataset), strict=True):
        np.testing.assert_array_equal(side.labels, images[:, 0, 0, 0] % 10)
    few = load(tmp_path, image_size=8, limit=2)
    assert [len(side) for side in sides(few)] == [2, 2, 2]


def test_every_kind_of_image_is_decoded_as_a_file_is_in_graph_and_by_index(tmp_path):
    random = np.random.default_rng(0)
    smooth = (np.linspace(0, 200, 8)[:, None, None] + random.integers(0, 40, (8, 8, 3))).astype(
        np.uint8
    )
    contents = [
        encoded(smooth),
        encoded(smooth, "jpeg", quality=90),
        encoded(smooth[..., 0]),
        encoded(noise(1, 20, 30, 3)[0]),
        encoded(noise(1, 16, 16, 4)[0]),
        encoded(smooth, "webp"),
    ]
    for side in ("train", "validation", "test"):
        write(tmp_path / f"{side}.tfrecord", contents)
        (tmp_path / side).mkdir()
        for number, content in enumerate(contents):
            (tmp_path / side / f"{number}.png").write_bytes(content)
    in_records = load(tmp_path, image_size=8)
    in_files = load_folder(tmp_path, 8)
    for a, b in zip(sides(in_records), sides(in_files), strict=True):
        assert rows(np.asarray(a.images)) == rows(b.images)
    one_pass = batches(in_records.train.images, batch_size=6, seed=0, start=0, stop=1)
    assert rows(taken(one_pass, 1)) == rows(in_files.train.images)


def test_batches_pass_over_all_images_and_a_run_that_is_resumed_sees_the_same(tmp_path):
    train = noise(23, 8, 8, 3)
    write(tmp_path / "a-00000-of-00001", map(encoded, train), np.arange(23))
    dataset = load(tmp_path, image_size=8)
    images, labels = dataset.train.images, dataset.train.labels
    given = {"batch_size": 4, "seed": 3, "flip": True, "labels": labels}
    whole = [pair for pair in batches(images, start=0, stop=12, **given)]
    assert len({int(label) for _, batch in whole[:5] for label in batch}) == len(images) == 19
    later = [pair for pair in batches(images, start=7, stop=12, **given)]
    for (a, b), (c, d) in zip(whole[7:], later, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
    for batch, numbers in whole:
        for image, number in zip(batch.numpy(), numbers, strict=True):
            assert any(np.array_equal(image, x) for x in (train[number], train[number][:, ::-1]))
    halves = batches(images, start=7, stop=12, parts=[slice(1, 3), slice(3)], **given)
    for number, (a, b) in enumerate(halves):
        rows = slice(3) if number % 2 else slice(1, 3)
        np.testing.assert_array_equal(a, later[number // 2][0][rows])
        np.testing.assert_array_equal(b, later[number // 2][1][rows])


def test_neighbours_are_used_at_about_one_time_and_every_image_once():
    count = 300_000
    order = in_blocks(count, np.random.default_rng(0))
    assert np.array_equal(np.sort(order), np.arange(count))
    first = order[: 256 * 256]
    assert len(np.unique(first // 256)) <= 257
    assert abs(np.mean(first) / count - 0.5) < 0.1
    assert np.mean(np.abs(np.diff(order[:10_000])) < 256) < 0.1


def test_a_second_load_reads_no_record_again_unless_a_file_has_changed(tmp_path, monkeypatch):
    write(tmp_path / "a.tfrecord", map(encoded, noise(10, 8, 8, 3)), np.arange(10))
    first = load(tmp_path, image_size=8)
    monkeypatch.setattr("tfp_lcma.training.data.tfrecords._search", lambda files: 1 / 0)
    again = load(tmp_path, image_size=8)
    np.testing.assert_array_equal(again.train.images, first.train.images)
    np.testing.assert_array_equal(again.train.labels, first.train.labels)
    write(tmp_path / "a.tfrecord", map(encoded, noise(11, 8, 8, 3)))
    with pytest.raises(ZeroDivisionError):
        load(tmp_path, image_size=8)


def test_prepared_data_sets_are_found_by_their_names(tmp_path):
    for version, count in (("2.0.0", 10), ("10.0.1", 20)):
        folder = tmp_path / "toys" / "8x8" / version
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
        write(folder / "toys-train.tfrecord-00000-of-00001", map(encoded, noise(count, 8, 8, 3)))
    dataset = load("tfds:toys/8x8", image_size=8, data_dir=tmp_path)
    assert dataset.name == "toys-8x8"
    assert sum(len(side) for side in sides(dataset)) == 20
    with pytest.raises(FileNotFoundError, match="'tfds:dolls' is not prepared: no version of it"):
        load("tfds:dolls", image_size=8, data_dir=tmp_path)


def damaged(path):
    path.write_bytes(path.read_bytes()[:-9])


def compressed(path):
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        writer.write(b"anything")


def without_image(path):
    write(path, [b"?"], keys=("text", "label"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            damaged,
            "a.tfrecord' must be a TFRecord file; it is truncated, or none: a record ends at",
        ),
        (compressed, "a.tfrecord' must be a TFRecord file without compression; got GZIP"),
        (without_image, "must hold an encoded image under 'image/encoded' or 'image'; got 'text'"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, change, message):
    write(tmp_path / "a.tfrecord", map(encoded, noise(10, 8, 8, 3)))
    change(tmp_path / "a.tfrecord")
    with pytest.raises(ValueError, match=message):
        load(tmp_path, image_size=8)


def test_an_image_that_cannot_be_read_is_named_when_it_is_used(tmp_path):
    write(tmp_path / "train.tfrecord", [*map(encoded, noise(5, 8, 8, 3)), b"none"])
    for side in ("validation", "test"):
        write(tmp_path / f"{side}.tfrecord", map(encoded, noise(3, 8, 8, 3)))
    images = load_records(tmp_path, 8).train.images
    message = "record at byte .* of '.*train.tfrecord': it is no PNG"
    with pytest.raises(ValueError, match=message):
        images[:]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        taken(batches(images, batch_size=6, seed=0, start=0, stop=1), 1)


def test_without_a_size_or_enough_images_nothing_is_loaded(tmp_path):
    write(tmp_path / "a.tfrecord", map(encoded, noise(2, 8, 8, 3)), labels=[0, 1])
    with pytest.raises(ValueError, match="image_size must be given"):
        load(tmp_path)
    with pytest.raises(ValueError, match=r"at least 3 images, .*found 2"):
        load(tmp_path, image_size=8)


def test_classes_are_asked_for_only_where_every_record_has_one(tmp_path):
    write(tmp_path / "a-00000-of-00002", map(encoded, noise(10, 8, 8, 3)), np.arange(10))
    write(tmp_path / "a-00001-of-00002", map(encoded, noise(10, 8, 8, 3)))
    assert load(tmp_path, image_size=8).train.labels is None
    with pytest.raises(ValueError, match="labels must be left out"):
        load(tmp_path, image_size=8, labels=True)
    assert cache.cache_folder().joinpath("records").is_dir()


def test_a_run_trains_validates_and_is_scored_on_images_in_files(tmp_path, monkeypatch):
    make_small(monkeypatch.setattr)
    (tmp_path / "data").mkdir()
    for side, count in (("train", 40), ("val", 10), ("test", 7)):
        write(tmp_path / f"data/{side}.tfrecord", map(encoded, pictures(count, (4, 4, 3))))
    run = tiny_run(tmp_path / "run", "none", {"steps": 4, "validate_every": 2, "levels": 1})
    with eagerly():
        metrics = run.execute(load_records(tmp_path / "data", 4))
    assert metrics["test"]["images"] == 7
    first, *_, last = metrics["training"]["history"]
    assert last["val_bits_per_dimension"] < first["val_bits_per_dimension"] < 20
