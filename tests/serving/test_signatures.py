"""Signatures one by one, in this process: what they refuse, what XLA makes of them."""

import numpy as np
import pytest
import tensorflow as tf

import tfp_lcma as lcma
from tests.eager import eagerly
from tests.serving.examples import (
    BINS,
    SHAPE,
    SIGNATURES,
    assert_alike,
    example,
    files_of,
    python_answer,
    requests,
)
from tests.toys import tiny_flow
from tfp_lcma.serving.signatures import build_signatures


def built(model, **options):
    """The signatures of a model by their names."""
    return {s.name: s for s in build_signatures(model, files=files_of(model), **options)}


# Without a condition, with one of each kind, and by iteration.
NAMES = ("toy", "glow_with_classes", "real_nvp_with_vectors", "residual_flow")


@pytest.fixture(scope="module")
def signatures():
    """By the name of a model, its signatures by their names; each is traced when first asked."""
    return {name: built(example(name)) for name in NAMES}


def ask(signature, **request):
    answer = signature.function(*(tf.constant(request[name]) for name in signature.inputs))
    return {name: value.numpy() for name, value in answer.items()}


# --- the table ---


# Without a condition, with one, and by iteration.
@pytest.mark.parametrize("name", ["toy", "glow_with_classes", "residual_flow"])
def test_table_says_what_is_taken_and_returned(name, signatures):
    assert sorted(signatures[name]) == SIGNATURES
    for signature in signatures[name].values():
        concrete = signature.function.get_concrete_function()
        assert set(concrete.structured_outputs) == set(signature.outputs)
        for output, field in signature.outputs.items():
            tensor = concrete.structured_outputs[output]
            assert tensor.dtype == field.dtype, (signature.name, output)
            assert tensor.shape.as_list() == [None, *field.shape], (signature.name, output)
        for field in (*signature.inputs.values(), *signature.outputs.values()):
            assert field.meaning


# Every kind of input once.
KINDS = [
    "decode", "encode", "event_log_prob_encoded", "interpolate", "log_prob_float",
    "log_prob_int32", "log_prob_with_seed", "sample_with_temperature",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("glow_with_classes", KINDS),
        # Its noise is variational.
        ("real_nvp_with_vectors", ["log_prob_with_draws", "event_log_prob", "sample", "encode"]),
    ],
)
def test_signatures_answer_for_a_condition_as_the_python_model(name, asked, signatures):
    model = example(name)
    for signature in asked:
        request = requests(model)[signature]
        with eagerly():
            expected = python_answer(model, signature, request)
        assert_alike(ask(signatures[name][signature], **request), expected)


def test_iterating_flows_say_what_converged_and_no_others(signatures):
    for name in NAMES:
        said = "converged" in signatures[name]["sample"].outputs
        assert said == (name == "residual_flow")


def test_signatures_share_four_passes(signatures):
    """The graph of a flow stands in an export once for each kind of question."""
    convolutions = 0
    seen = set()
    for signature in signatures["toy"].values():
        graph = signature.function.get_concrete_function().graph.as_graph_def()
        for function in graph.library.function:
            if function.signature.name not in seen:
                seen.add(function.signature.name)
                convolutions += sum(node.op == "Conv2D" for node in function.node_def)
    assert convolutions == 4 * 2  # two couplings, in each of the four


# --- what makes no sense is no number ---


@pytest.mark.parametrize("value", [BINS, 300, -1, 256 * 256, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("name", ["log_prob_int32", "event_log_prob_int32"])
def test_whole_numbers_that_a_byte_would_wrap_are_nan_in_their_row_alone(name, value, signatures):
    signature = signatures["glow_with_classes"][name]
    request = requests(example("glow_with_classes"))[name]
    expected = ask(signature, **request)
    images = request["images"].copy()
    images[1, 2, 3, 0] = value
    for output, got in ask(signature, **(request | {"images": images})).items():
        assert np.isnan(got[1]).all()
        np.testing.assert_array_equal(got[[0, 2]], expected[output][[0, 2]])


@pytest.mark.parametrize("draws", [0, -1, 1025])
def test_numbers_of_draws_out_of_range_are_nan_in_their_row_alone(draws, signatures):
    signature = signatures["glow_with_classes"]["log_prob_with_draws"]
    request = requests(example("glow_with_classes"))["log_prob_with_draws"]
    expected = ask(signature, **request)
    given = request["draws"].copy()
    given[1] = draws
    for output, got in ask(signature, **(request | {"draws": given})).items():
        assert np.isnan(got[1])
        np.testing.assert_array_equal(got[[0, 2]], expected[output][[0, 2]])


@pytest.mark.parametrize("name", ["log_prob", "log_prob_with_seed", "event_log_prob"])
def test_intensities_that_do_not_exist_are_nan_in_their_row_alone(name, signatures):
    signature = signatures["glow_with_classes"][name]
    request = requests(example("glow_with_classes"))[name]
    expected = ask(signature, **request)
    images = request["images"].copy()
    images[1, 2, 3, 0] = BINS
    for output, got in ask(signature, **(request | {"images": images})).items():
        assert np.isnan(got[1]).all()
        for row in (0, 2):
            np.testing.assert_array_equal(got[row], expected[output][row])


@pytest.mark.parametrize("value", [-0.25, BINS, 1e30, np.nan, np.inf, -np.inf])
def test_floats_that_are_no_intensities_are_nan_in_their_row_alone(value, signatures):
    for name, given in (
        ("log_prob_float", "images"),
        ("encode", "images"),
        ("interpolate", "second"),
    ):
        request = requests(example("residual_flow"))[name]
        expected = ask(signatures["residual_flow"][name], **request)
        images = request[given].copy()
        images[1, 0, 0, 0] = value
        got = ask(signatures["residual_flow"][name], **(request | {given: images}))
        for output, array in got.items():
            if output == "converged":
                assert array.tolist() == [True, False, True]
                continue
            assert np.isnan(array[1]).all(), (name, output)
            for row in (0, 2):
                np.testing.assert_allclose(array[row], expected[output][row], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("sample_with_temperature", "temperature", -0.1),
        ("sample_with_temperature", "temperature", np.nan),
        ("sample_with_temperature", "temperature", np.inf),
        ("interpolate", "weight", 1.5),
        ("interpolate", "weight", -0.5),
        ("interpolate", "weight", np.nan),
        ("decode", "latents", np.inf),
        ("decode", "latents", np.nan),
    ],
)
def test_other_numbers_out_of_range_are_nan_in_their_row_alone(name, given, value, signatures):
    request = requests(example("toy"))[name]
    expected = ask(signatures["toy"][name], **request)["images"]
    changed = request[given].copy()
    changed[1] = value
    got = ask(signatures["toy"][name], **(request | {given: changed}))["images"]
    assert np.isnan(got[1]).all()
    for row in (0, 2):
        np.testing.assert_allclose(got[row], expected[row], rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "bad"), [("glow_with_classes", 3), ("glow_with_classes", -1),
                       ("real_nvp_with_vectors", np.nan)]
)  # fmt: skip
@pytest.mark.parametrize("name", ["log_prob", "sample", "encode"])
def test_conditions_that_do_not_exist_are_nan_in_their_row_alone(model, bad, name, signatures):
    request = requests(example(model))[name]
    condition = request["condition"].copy()
    condition[1] = bad
    for got in ask(signatures[model][name], **(request | {"condition": condition})).values():
        assert np.isnan(got[1]).all()
        assert np.isfinite(got[[0, 2]]).all()


def test_samples_stay_below_the_number_of_intensities(signatures):
    far = 50 * np.ones((2, *SHAPE), np.float32) * [[[[1]]], [[[-1]]]]
    given = {"latents": far.astype(np.float32), "condition": np.zeros(2, np.int32)}
    got = ask(signatures["glow_with_classes"]["decode"], **given)["images"]
    assert got.min() >= 0 and got.max() < BINS


def test_seeds_draw_other_noise_and_the_same_seed_the_same(signatures):
    images = np.repeat(requests(example("toy"))["log_prob"]["images"][:1], 4, axis=0)
    seed = np.array([[1, 0], [2, 0], [1, 1], [1, 0]], np.int32)
    got = ask(signatures["toy"]["log_prob_with_seed"], images=images, seed=seed)["log_prob"]
    assert len(set(got[:3].tolist())) == 3
    np.testing.assert_allclose(got[3], got[0], rtol=1e-6)


# --- files ---


def test_a_file_that_is_not_read_is_nan_in_its_row_alone(signatures):
    request = requests(example("toy"))["event_log_prob_encoded"]
    expected = ask(signatures["toy"]["event_log_prob_encoded"], **request)["event_log_prob"]
    files = request["image_bytes"].copy()
    files[1] = files[1][:-20]
    got = ask(signatures["toy"]["event_log_prob_encoded"], image_bytes=files)["event_log_prob"]
    assert np.isnan(got[1]).all()
    np.testing.assert_array_equal(got[[0, 2]], expected[[0, 2]])


def test_models_of_two_channels_take_no_files():
    table = build_signatures(lcma.FlowModel(tiny_flow((4, 4, 2), levels=1)))
    assert not [signature.name for signature in table if "encoded" in signature.name]


# --- XLA ---


def test_every_numeric_signature_is_compiled():
    for name, signature in built(example("toy"), jit_compile=True).items():
        # Files are decoded outside of what is compiled.
        assert bool(signature.function._jit_compile) == (not name.endswith("_encoded")), name


# With conditions and exits, and by iteration, through all that is around the passes.
@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("glow_with_classes", ["event_log_prob_int32", "interpolate"]),
        ("residual_flow", ["log_prob", "decode"]),
    ],
)
def test_the_passes_of_a_flow_compile_and_answer_alike(model, asked, signatures):
    compiled = built(example(model), jit_compile=True)
    for name in asked:
        request = requests(example(model))[name]
        assert_alike(ask(compiled[name], **request), ask(signatures[model][name], **request))
