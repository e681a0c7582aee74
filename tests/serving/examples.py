"""Small models of every family, requests to each of their signatures, and Python's own answers."""

import functools
import io

import numpy as np
import tensorflow as tf
from PIL import Image

import tfp_lcma as lcma
from tests.seeds import seed_initializers
from tests.toys import pictures, tiny_flow
from tfp_lcma import noise
from tfp_lcma.serving.encoded import FilePixels
from tfp_lcma.testing.inputs import move_weights
from tfp_lcma.training.data.pixels import PixelSettings, read_pixels

SHAPE = (4, 4, 1)
CLASSES = 3
BINS = 17
ROWS = 3
FLOWS = {
    "glow_with_classes": lambda: lcma.models.glow(
        SHAPE, levels=2, steps=1, width=4, conditions=CLASSES
    ),
    "real_nvp_with_vectors": lambda: lcma.models.real_nvp(
        SHAPE, levels=1, width=4, blocks=1, conditions=(2,)
    ),
    "mar_scf": lambda: lcma.models.mar_scf(SHAPE, levels=1, steps=1, width=4, blocks=1, hidden=2),
    "eiw_flow": lambda: lcma.models.eiw_flow(SHAPE, levels=2, steps=1, width=4),
    "jet": lambda: lcma.models.jet(
        SHAPE, patch=2, levels=2, couplings=2, width=4, blocks=1, unroll=False
    ),
    "residual_flow": lambda: lcma.models.residual_flow(
        SHAPE, levels=1, steps=1, width=4, inference_terms=2, inference_probes=1
    ),
}
DEQUANTIZATIONS = {
    "real_nvp_with_vectors": lambda: lcma.density.Variational(
        lcma.density.noise_flow(SHAPE, steps=1, width=4, blocks=1)
    ),
}
NAMES = ("toy", *FLOWS)
SIGNATURES = [
    "decode",
    "encode",
    "event_log_prob",
    "event_log_prob_encoded",
    "event_log_prob_float",
    "event_log_prob_int32",
    "event_log_prob_with_seed",
    "interpolate",
    "log_prob",
    "log_prob_encoded",
    "log_prob_float",
    "log_prob_int32",
    "log_prob_with_draws",
    "log_prob_with_seed",
    "sample",
    "sample_with_temperature",
]


@functools.cache
def example(name: str) -> lcma.FlowModel:
    """A model whose weights have moved; tests must not change it."""
    seed_initializers(0)
    if name == "toy":
        model = lcma.FlowModel(tiny_flow(SHAPE, levels=1))
    else:
        noise = DEQUANTIZATIONS.get(name, lcma.density.Uniform)()
        model = lcma.FlowModel(FLOWS[name](), bins=BINS, dequantization=noise)
    model.initialize(pictures(64, SHAPE, bins=model.bins), conditions(model, 64))
    for flow in (model.flow, *model.dequantization.flows):
        move_weights(flow, 0.05, seed=1)
    return model


def conditions(model, rows):
    """What so many images are conditioned on, or None."""
    if model.conditions is None:
        return None
    random = np.random.default_rng(2)
    if isinstance(model.conditions, int):
        return random.integers(0, model.conditions, rows).astype(np.int32)
    return random.normal(size=(rows, *model.conditions)).astype(np.float32)


def files_of(model):
    """What is made of image files for a model."""
    return FilePixels.of_model(model.event_shape, model.bins, None)


def png(image, bins=256):
    """The file of a grey image `[h, w, 1]`, black for 0 and white for `bins - 1`."""
    shown = np.rint(image[..., 0] * (255 / (bins - 1))).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(shown).save(file, "PNG")
    return file.getvalue()


def requests(model) -> dict[str, dict[str, np.ndarray]]:
    """A request of `ROWS` rows to every signature of a model."""
    random = np.random.default_rng(3)
    images = pictures(ROWS, SHAPE, seed=5, bins=model.bins)
    floats, others = (
        (pictures(ROWS, SHAPE, seed=seed, bins=model.bins) + random.random((ROWS, *SHAPE))).astype(
            np.float32
        )
        for seed in (6, 7)
    )
    # The first word is that of the model's own seed, by which rows share the lengths of series.
    seed = np.array([[0, 1], [0, -7], [0, 2**30]], np.int32)
    files = np.array([png(image, model.bins) for image in images], object)
    found = {
        "sample": {"seed": seed},
        "sample_with_temperature": {
            "seed": seed,
            "temperature": np.array([0.0, 0.5, 1.25], np.float32),
        },
        "encode": {"images": floats},
        "decode": {"latents": random.normal(size=(ROWS, *SHAPE)).astype(np.float32)},
        "interpolate": {
            "first": floats,
            "second": others,
            "weight": np.array([0.0, 0.25, 1.0], np.float32),
        },
    }
    for name in ("log_prob", "event_log_prob"):
        found |= {
            name: {"images": images},
            f"{name}_with_seed": {"images": images, "seed": seed},
            f"{name}_int32": {"images": images.astype(np.int32)},
            f"{name}_float": {"images": floats},
            f"{name}_encoded": {"image_bytes": files},
        }
    draws = {"images": images, "seed": seed, "draws": np.array([1, 3, 2], np.int32)}
    found["log_prob_with_draws"] = draws
    given = conditions(model, ROWS)
    return found if given is None else {k: v | {"condition": given} for k, v in found.items()}


def python_answer(model, name, request) -> dict[str, np.ndarray]:
    """What the Python model says to a request; for images, their continuous intensities."""
    request = dict(request)
    given = request.pop("condition", None)
    if "image_bytes" in request:
        settings = PixelSettings.usual(SHAPE, model.bins)
        request = {"images": np.stack([read_pixels(f, settings) for f in request["image_bytes"]])}
    if name.startswith(("log_prob", "event_log_prob")):
        kind = "event_log_prob" if name.startswith("event") else "log_prob"
        if name.endswith("_float"):
            total = getattr(model.distribution, kind)(request["images"], condition=given).numpy()
        else:
            seeds = request.get("seed", [[model.seed, 0]] * ROWS)
            draws = request.get("draws")
            total = np.concatenate(
                [
                    getattr(model, kind)(
                        request["images"][i : i + 1],
                        None if given is None else given[i : i + 1],
                        seed=int(seed[0]) + (int(seed[1]) << 32),
                        **({} if draws is None else {"draws": int(draws[i])}),
                    )
                    for i, seed in enumerate(seeds)
                ]
            )
        if kind == "event_log_prob":
            return {kind: total}
        return {kind: total, "bits_per_dimension": -total / (np.prod(SHAPE) * np.log(2))}
    if name == "encode":
        return {"latents": model.encode(request["images"], given)}
    if name == "interpolate":
        walks = model.interpolate(request["first"], request["second"], given, steps=5)
        steps = (4 * request["weight"]).astype(int)
        images = np.stack([walk[step] for walk, step in zip(walks, steps, strict=True)])
    elif name == "decode":
        images = model.decode(request["latents"], given)
    else:
        z = noise.normal_rows(tf.constant(request["seed"]), SHAPE, model.flow.dtype).numpy()
        z *= request.get("temperature", np.ones(ROWS, np.float32))[:, None, None, None]
        images = model.decode(z, given)
    answer = {"images": np.clip(images, 0, np.nextafter(np.float32(model.bins), 0))}
    return answer | ({"converged": np.ones(ROWS, bool)} if model.flow.iterates else {})


def assert_alike(got, expected, relative=1e-5):
    """Compares two answers, relative to the largest number of an array."""
    assert set(got) == set(expected)
    for name, value in expected.items():
        assert got[name].shape == value.shape, name
        if value.dtype == bool:
            assert np.array_equal(got[name], value), name
        else:
            assert got[name].dtype == np.float32, name
            error = np.abs(got[name] - value).max() / np.abs(value).max()
            assert error <= relative, f"{name} is off by {error:.1e}"
