"""What flows compute is what they computed before their steps were stacked: `values.npz`."""

import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from tests.golden import cases, formula
from tfp_lcma.bijectors import Context, FlowChain, LogitPreprocessing
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.density import FlowDistribution

VALUES = np.load(pathlib.Path(__file__).parent / "values.npz")
PATHS = json.loads(VALUES["paths"].tobytes())
ONE_OF_EVERY_MODEL = (
    "real_nvp",
    "real_nvp batch norm",
    "glow",
    "mar_scf affine",
    "eiw_flow invariant",
    "residual_flow",
)
STEP = re.compile(r"level(\d+)/(step|checkerboard|channel)(\d+)/([a-z]+)/(.*)")


def place(path, flow, names):
    """Returns the name of the variable that holds a recorded weight, and its slice."""
    found = STEP.fullmatch(path)
    if found is None:
        part, _, rest = path.partition("/")
        kind, level = re.fullmatch(r"(order|exit)(\d+)", part).groups()
        index = int(level) - (len(flow.flows) - len(flow.exits) if kind == "exit" else 0)
        prefix = {"order": f"splits.{index}", "exit": f"exits.{index}"}[kind]
        return f"{prefix}.{rest.replace('/', '.')}", None
    level, group, step, part, rest = found.groups()
    prefix = f"flows.{level}."
    repeated = {name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)}
    repeated = sorted(name for name in repeated if name.startswith("repeated"))
    if repeated:
        prefix += repeated[group == "channel"] + "."
    if part == "norm":
        part = "batch_norm" if any("batch_norm" in name for name in names) else "act_norm"
    part = {
        "actnorm": "act_norm",
        "convolution": "invertible_convolution",
        "residual": "residual_block",
    }.get(part, part)
    rest = rest.replace("/", ".")
    if part == "coupling":
        mixture = any("head.mixture" in name for name in names)
        rest = rest.replace("head.bound", "head.affine.bound" if mixture else "head.bound")
        rest = rest.replace("mixture.offset", "head.mixture.offset").replace("head.head", "head")
    if part == "residual_block":
        rest = rest.removeprefix("network.")  # the block's only layer has no name
    block = re.search(r"network\.(inner|outer)\.(\d+)\.", rest)
    if block is not None:
        rest = rest.replace(f"{block[1]}.{block[2]}.", f"{block[1]}.")
        return f"{prefix}{part}.{rest}", (int(step), int(block[2]))
    return f"{prefix}{part}.{rest}", (int(step),)


def exchanged(path):
    """Whether a normalisation now stands where the halves of the channels are exchanged."""
    found = re.search(r"channel(\d+)/norm/(shift|raw_log_scale|mean|variance)", path)
    return found is not None and int(found[1]) % 2 == 0


def arranged(path, value, shape):
    """Brings a recorded weight into the order of the variable that holds it now."""
    if exchanged(path):
        return np.roll(value, value.size // 2)
    if value.shape != tuple(shape):  # the last exit, one channel for each pixel of a block
        halves = value.reshape(*value.shape[:-1], 2, -1)
        return np.repeat(halves, 4, axis=-1).reshape(shape)
    return value


def restored(path, gradient, shape):
    """Brings a gradient into the order of the recorded weight."""
    if exchanged(path):
        return np.roll(gradient, gradient.size // 2)
    if gradient.shape != tuple(shape):
        return gradient.reshape(*shape[:-1], -1, 4).sum(axis=-1).reshape(shape)
    return gradient


def assign(flow, paths):
    """Gives every variable its values by formula."""
    names, given = named_variables(flow), {}
    for path, shape in paths["shapes"].items():
        name, step = place(path, flow, names)
        value = formula.value(path, tuple(shape))
        variable = names[name]
        if step is None:
            given[name] = arranged(path, value, variable.shape)
        else:
            stacked = given.setdefault(name, np.full(variable.shape, np.nan))
            stacked[step] = arranged(path, value, variable.shape[len(step) :])
    for name, value in given.items():
        assert np.isfinite(value).all(), f"{name} has no value for some step"
        names[name].assign(value)
    left = set(names) - set(given)
    assert all("int" in names[name].dtype for name in left), left
    return names


def close(got, recorded, what):
    np.testing.assert_allclose(got, recorded, rtol=1e-9, atol=1e-9, err_msg=what)


def check_log_prob(flow, names, case, images, training=""):
    """Density and gradients, in training also what is gathered, are what was recorded."""
    paths, recorded = PATHS[case], f"{case}/{training}"
    preprocessing = LogitPreprocessing(flow.event_shape, bins=256, dtype="float64")
    distribution = FlowDistribution(FlowChain([preprocessing, flow]))
    condition = formula.condition(len(images), flow.conditions)
    variables = [variable for variable in names.values() if variable.trainable]
    with tf.GradientTape() as tape:
        context = Context(condition, training=bool(training))
        log_prob = distribution.log_prob(images, context=context)
        mean = tf.reduce_mean(log_prob)
    gradients = tape.gradient(mean, [variable.value for variable in variables])
    by_id = {id(v): g for v, g in zip(variables, gradients, strict=True)}
    rows = []
    for path in paths["gradients"]:
        name, step = place(path, flow, names)
        gradient = by_id[id(names[name])].numpy()
        gradient = gradient if step is None else gradient[step]
        rows.append(formula.projections(restored(path, gradient, tuple(paths["shapes"][path]))))
    close(np.stack(rows), VALUES[f"{recorded}gradients"], f"{training}gradients")
    close(log_prob, VALUES[f"{recorded}log_prob"], f"{training}log_prob")


def check_statistics(flow, names, case):
    updated = []
    for path in PATHS[case]["statistics"]:
        name, step = place(path, flow, names)
        value = names[name].numpy()[step]
        updated.append(restored(path, value, value.shape))
    close(np.concatenate(updated), VALUES[f"{case}/training_statistics"], "statistics")


CASES = [
    pytest.param(case, marks=pytest.mark.slow if case in cases.REACHED_BY_OTHERS else ())
    for case in VALUES["cases"]
]


@pytest.mark.parametrize("case", CASES)
def test_flow_computes_what_it_always_did(case):
    flow = cases.CASES[case]()
    names = assign(flow, PATHS[case])
    images = tf.constant(formula.images(flow.event_shape))
    condition = formula.condition(len(images), flow.conditions)
    x = LogitPreprocessing(flow.event_shape, bins=256, dtype="float64").inverse(images)
    latents = tf.constant(formula.latents(flow.event_shape))
    for method, value, recorded in (
        (flow.inverse_and_event_log_det, x, ("latents", "log_det")),
        (flow.forward_and_event_log_det, latents, ("samples", "sample_log_det")),
    ):
        for got, name in zip(method(value, condition), recorded, strict=True):
            close(got, VALUES[f"{case}/{name}"], name)
    assert np.array_equal(flow.exit_map, VALUES[f"{case}/exit_map"])
    # Elsewhere the contract compares the two.
    for memory in ("keep", "invert") if case in ONE_OF_EVERY_MODEL else ("keep",):
        flow.memory = memory
        check_log_prob(flow, names, case, images)
        if "statistics" in PATHS[case]:
            check_log_prob(flow, names, case, images, "training_")
            check_statistics(flow, names, case)
            assign(flow, PATHS[case])
