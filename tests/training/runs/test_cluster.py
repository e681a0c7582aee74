"""Which processes train together is read from what a launcher writes."""

import json

import pytest

from tfp_lcma.training.runs.cluster import given_cluster


def given(cluster, **task):
    return given_cluster({"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})})


@pytest.mark.parametrize(
    ("cluster", "task", "number", "leader"),
    [
        ({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 1}, 1, "worker"),
        ({"worker": ["b:1"], "chief": ["a:1"]}, {"type": "worker", "index": 0}, 1, "chief"),
        ({"worker": ["b:1"], "chief": ["a:1"]}, {"type": "chief", "index": "0"}, 0, "chief"),
    ],
)
def test_the_chief_is_the_first_of_all_workers(cluster, task, number, leader):
    found = given(cluster, **task)
    assert (found.number, found.leader) == (number, f"/job:{leader}/replica:0/task:0")
    assert found.addresses == ["a:1", "b:1"]


def test_without_a_configuration_an_example_is_shown_that_is_one():
    with pytest.raises(ValueError, match="needs the environment variable TF_CONFIG") as raised:
        given_cluster({})
    example = str(raised.value).split("TF_CONFIG='")[1].split("'")[0]
    assert given_cluster({"TF_CONFIG": example}).number == 0


@pytest.mark.parametrize(
    ("cluster", "task"),
    [
        ({"worker": ["a:1"], "ps": ["b:1"]}, {"type": "worker", "index": 0}),
        ({"worker": ["a:1"], "chief": ["b:1", "c:1"]}, {"type": "worker", "index": 0}),
        ({"worker": ["a:1"]}, {"type": "worker", "index": 1}),
        ({"worker": ["a:1"]}, {"type": "evaluator", "index": 0}),
        ({"worker": ["a"]}, {"type": "worker", "index": 0}),
        ({"worker": ["a:1"]}, {}),
        ({}, {"type": "worker", "index": 0}),
        ([], {"type": "worker", "index": 0}),
    ],
)
def test_what_is_no_cluster_of_workers_is_refused_with_an_example(cluster, task):
    with pytest.raises(ValueError, match=r"TF_CONFIG must name workers.*like TF_CONFIG=.*; got \{"):
        given(cluster, **task)


@pytest.mark.parametrize("text", ["{", "3", '{"cluster": 3}'])
def test_what_is_no_configuration_is_shown(text):
    with pytest.raises(ValueError, match="TF_CONFIG must name workers") as raised:
        given_cluster({"TF_CONFIG": text})
    assert str(raised.value).endswith(f"got {text}")
