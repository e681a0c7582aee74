"""The documentation's examples run as they stand."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.factorizations import Factorization

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page, heading):
    """The Python code under a heading of a page, one block after the other."""
    section = (DOCS / page).read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    return re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], flags=re.DOTALL)


def test_factorization_of_ones_own_works_as_the_page_says():
    names = {"__name__": "docs"}
    for block in blocks("explanation/factorizations.md", "One of your own"):
        exec(block, names)
    flow, factorization = names["flow"], names["flow"].factorization
    assert isinstance(factorization, Factorization)
    kept = flow.exit_map > 0
    variance = names["variance"][0]
    for row in range(0, 8, 2):
        for column in range(0, 8, 2):
            block = np.s_[row : row + 2, column : column + 2]
            assert sorted(variance[block][kept[block]]) == sorted(variance[block].ravel())[2:]
    text = json.dumps(keras.saving.serialize_keras_object(factorization))
    assert keras.saving.deserialize_keras_object(json.loads(text)) == factorization
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(flow.forward(flow.inverse(x)), x, atol=1e-5)


def test_residual_flow_tells_its_standard_error_as_the_page_says():
    names = {"__name__": "docs"}
    for block in blocks("explanation/residual_flows.md", "The log-det is an estimate"):
        exec(block, names)
    estimate = names["estimate"]
    assert estimate.log_det.shape == estimate.standard_error.shape == (3, 4, 4, 1)
    assert estimate.total_standard_error.shape == (3,)


def test_sorting_by_content_is_no_density_and_the_invariant_shuffle_is_as_the_page_says():
    names = {"__name__": "docs"}
    text = (DOCS / "explanation/entropy_informed.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)
    assert round(names["by_content"], 2) == 1.85
    assert round(names["by_invariants"], 2) == 1.0
    assert names["flow"].exit_map.max() == 1


def test_a_function_is_compiled_for_a_gpu_as_the_page_says():
    names = {"__name__": "docs"}
    (block,) = blocks("how_to/gpu.md", "Compile with XLA")
    exec(block, names)
    graph = names["log_prob"].get_concrete_function(tf.TensorSpec((2, *names["flow"].event_shape)))
    assert graph.structured_outputs.shape == (2,)


def test_exit_priors_build_the_models_of_the_page():
    names = {"__name__": "docs"}
    text = (DOCS / "explanation/exit_priors.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)
    assert isinstance(names["flow"].exit_prior, type(names["prior"]))


def test_jet_builds_the_flows_of_the_page():
    names = {"__name__": "docs"}
    text = (DOCS / "explanation/jet.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)
    assert np.bincount(names["flow"].exit_map.ravel()).tolist() == [128, 128]


def test_dequantization_builds_the_models_of_the_page():
    names = {"__name__": "docs"}
    text = (DOCS / "explanation/dequantization.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)
    assert names["model"].dequantization.flow is names["q"]
