"""The course of a training: patience, best weights and failures survive an interruption."""

import math

import numpy as np
import pytest

from tests.toys import tiny_model
from tfp_lcma.training.runs.course import Course

SHAPE = (4, 4, 1)


def looked(course, values, weight=None):
    """Steps, each followed by a look that sees one of the values."""
    course.set_model(course._trained)
    course.on_train_begin()
    for value in values:
        course.on_train_batch_begin(0)
        course.on_train_batch_end(0, {"loss": 1.0})
        if weight is not None:
            weight.assign(np.full(weight.shape, value))
        course.on_epoch_end(0, {"val_bits_per_dimension": value})


def test_patience_counts_on_over_an_interruption(tmp_path):
    model = tiny_model()
    looked(Course(model, "training", 10, patience=3, checkpoints=tmp_path), (3.0, 2.0, 2.5, 2.6))
    again = Course(tiny_model(), "training", 10, patience=3, checkpoints=tmp_path)
    assert (again.best, again.step, len(again.history)) == (2.0, 4, 4)
    assert not again.finished
    looked(again, [2.1])
    assert again.finished and again._trained.stop_training
    # Given more steps, it has patience again.
    longer = Course(tiny_model(), "training", 20, patience=3, checkpoints=tmp_path)
    assert (longer.step, longer.finished) == (5, False)


def test_the_weights_of_the_best_look_come_back(tmp_path):
    model = tiny_model()
    weight = model.trainable_weights[0]
    course = Course(model, "training", 10, patience=9, checkpoints=tmp_path)
    looked(course, (3.0, 2.0, 2.5), weight)
    again = tiny_model()
    Course(again, "training", 10, patience=9, checkpoints=tmp_path).restore_best()
    np.testing.assert_array_equal(again.trainable_weights[0], np.full(weight.shape, 2.0))


def test_without_patience_steps_are_spent_and_the_last_weights_count():
    model = tiny_model()
    weight = model.trainable_weights[0]
    course = Course(model, "training", 3)
    looked(course, (1.0, 2.0), weight)
    assert not course.finished
    looked(course, [9.0], weight)
    course.restore_best()
    assert course.finished and course.step_seconds > 0
    np.testing.assert_array_equal(weight, np.full(weight.shape, 9.0))


def test_with_endless_patience_steps_are_spent_and_the_best_look_counts():
    model = tiny_model()
    weight = model.trainable_weights[0]
    course = Course(model, "training", 4, patience=math.inf)
    assert course.best_step is None
    looked(course, (3.0, 1.0, 9.0, 2.0), weight)
    assert course.finished and course.step == 4
    course.restore_best()
    assert course.best_step == 2
    np.testing.assert_array_equal(weight, np.full(weight.shape, 1.0))


def test_a_loss_that_is_not_a_number_ends_it_and_is_not_saved(tmp_path):
    course = Course(tiny_model(), "training", 10, patience=3, checkpoints=tmp_path, every=1)
    looked(course, [2.0])
    course.on_train_batch_begin(0)
    course.on_train_batch_end(0, {"loss": np.nan})
    assert (course.failed_step, course.finished) == (2, True)
    assert Course(tiny_model(), "training", 10, patience=3, checkpoints=tmp_path).step == 1


def test_no_checkpoint_stands_between_a_step_and_the_look_at_it(tmp_path):
    course = Course(tiny_model(), "training", 10, patience=3, checkpoints=tmp_path, every=1)
    looked(course, [2.0])
    course.on_train_batch_begin(0)
    course.on_train_batch_end(0, {"loss": 1.0})
    assert Course(tiny_model(), "training", 10, patience=3, checkpoints=tmp_path).step == 1
    course.on_train_batch_begin(0)
    assert Course(tiny_model(), "training", 10, patience=3, checkpoints=tmp_path).step == 2


def test_a_checkpoint_of_another_phase_is_refused(tmp_path):
    looked(Course(tiny_model(), "pretraining", 10, patience=3, checkpoints=tmp_path), [2.0])
    with pytest.raises(ValueError, match="of phase 'pretraining', not 'training'"):
        Course(tiny_model(), "training", 10, patience=3, checkpoints=tmp_path)
