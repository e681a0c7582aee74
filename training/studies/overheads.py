"""What parts cost in time: one table of ratios, each measured within one run.

Every group of a part times a few calls in turn; the first is what the others are compared with,
and the same again shows how far a ratio strays by chance.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.factorizations import (
    Channel,
    EntropyInformed,
    Factorization,
    OnlineLikelihoodContribution,
    RandomInBlock,
)
from tfp_lcma.keras_model.batch_checks import checked_images
from tfp_lcma.priors import ChannelAutoregressive, ConditionalGaussian, ExitPrior
from tfp_lcma.registry import load
from tfp_lcma.training.data import Dataset
from tfp_lcma.training.data.batches import batches
from tfp_lcma.training.recipes.recipe import Recipe
from tfp_lcma.training.reports.tables import markdown
from tfp_lcma.training.studies.overhead_parts import PARTS
from tfp_lcma.training.studies.timing import Calls, collecting, ratios, ready_model
from tfp_lcma.training.tryout.session import Served
from tfp_lcma.validation import check_images

_AGAIN = "the same again (noise)"
_LOOKED_AT, _NEVER = 2000, 10**9


def overheads(
    recipe: Recipe,
    dataset: Dataset,
    parts: Sequence[str],
    rounds: int,
    say: Callable[[str], None],
) -> str:
    """Measures what parts cost, and returns the table.

    Args:
        recipe: flow and optimisation.
        dataset: its images.
        parts: names out of `PARTS`.
        rounds: of one call each.
        say: called with every line of progress.
    """
    rows = []
    for part in parts:
        for calls in load(PARTS[part])(recipe, dataset):
            reference = next(iter(calls))
            say(f"{part}: {rounds} rounds beside {reference} ...")
            for name, found in ratios(calls, rounds).items():
                numbers = (f"{found.median:.3f}", f"{found.low:.3f} to {found.high:.3f}")
                rows.append([part, name, reference, *numbers])
    shape = "×".join(map(str, dataset.event_shape))
    about = f"{recipe.name}: {shape}, batch {recipe.batch_size}, {rounds} rounds"
    heads = ["part", "what", "time over that of", "median", "95% interval"]
    return f"{about}\n\n{markdown(heads, rows)}"


def collecting_statistics(recipe: Recipe, dataset: Dataset) -> Iterator[Calls]:
    """Times collecting statistics beside a step of the pre-training."""
    yield collecting(recipe, dataset)


def online_splits(recipe: Recipe, dataset: Dataset) -> Iterator[Calls]:
    """Times a step of a split that is chosen while training, before and after it is settled."""
    online = OnlineLikelihoodContribution((_NEVER,))
    drawing, model = lcma.OnlineSplit(), ready_model(recipe, dataset, online)
    drawing.set_model(model)
    drawing.on_train_begin()

    def draw():
        drawing.on_train_batch_begin(0)
        model.train_on_batch(dataset.train.images[: recipe.batch_size])

    yield {
        "a step, random static split": _step(recipe, dataset, RandomInBlock()),
        _AGAIN: _step(recipe, dataset, RandomInBlock()),
        "online split, drawn every step": draw,
        "online split, settled": _step(recipe, dataset, online),
    }


def shuffles(recipe: Recipe, dataset: Dataset) -> Iterator[Calls]:
    """Times a step and sampling with entropy-informed shuffles before the channel split."""
    splits: dict[str, Factorization] = {
        _AGAIN: Channel(),
        **{
            f"{name} shuffle": EntropyInformed(name)
            for name in ("published", "invariant", "frozen", "coupling")
        },
    }
    for first, call in (("a step, no shuffle", _step), ("sampling, no shuffle", _sample)):
        group = {first: Channel(), **splits}
        yield {name: call(recipe, dataset, split) for name, split in group.items()}


def exits(recipe: Recipe, dataset: Dataset) -> Iterator[Calls]:
    """Times sampling under exit priors, on the channel split."""
    levels = range(recipe.levels)
    published = ChannelAutoregressive(
        hidden=32,
        kernel=[5 if level < 2 else 3 for level in levels],
        dilation=[2 if level == 0 else 1 for level in levels],
    )
    exit_priors: dict[str, ExitPrior] = {
        "sampling, conditional Gaussian": ConditionalGaussian(),
        _AGAIN: ConditionalGaussian(),
        "channel-autoregressive, hidden 8, kernel 3": ChannelAutoregressive(),
        "channel-autoregressive as published": published,
    }
    yield {
        name: _sample(recipe, dataset, Channel(), exit_prior=prior)
        for name, prior in exit_priors.items()
    }


def batching(recipe: Recipe, dataset: Dataset) -> Iterator[Calls]:
    """Times what a step waits for its batch."""
    made = batches(
        dataset.train.images,
        batch_size=recipe.batch_size,
        seed=0,
        start=0,
        stop=_NEVER,
        flip=recipe.flip,
    )
    iterator = iter(made)
    yield {
        "a step": _step(recipe, dataset, RandomInBlock()),
        "waiting for its batch": lambda: next(iterator),
    }


def validation(recipe: Recipe, dataset: Dataset) -> Iterator[Calls]:
    """Times the check of a batch's values, and a look at the validation split."""
    model = ready_model(recipe, dataset, RandomInBlock())
    batch = dataset.train.images[: recipe.batch_size]
    looks = dataset.validation.images[:_LOOKED_AT]
    floats = tf.constant(batch, tf.float32)
    # Images of other types than uint8 are checked in every step's graph.
    checked = tf.function(lambda images: tf.shape(checked_images(images, model.bins)))
    yield {
        "a step": lambda: model.train_on_batch(batch),
        "checking its batch": lambda: check_images(batch, model.event_shape, model.bins, "images"),
        "checking its batch in a graph, of floats": lambda: checked(floats),
        f"a look at {len(looks):,} validation images": lambda: model.evaluate(
            looks, batch_size=256, verbose=0
        ),
    }


def serving(recipe: Recipe, dataset: Dataset) -> Iterator[Calls]:
    """Times `log_prob` of an export in a session beside the Keras model's own."""
    images = dataset.train.images[: recipe.batch_size]
    model = ready_model(recipe, dataset, RandomInBlock())
    with tempfile.TemporaryDirectory() as folder:

        def served(**options):
            version = lcma.export_saved_model(model, Path(folder), warm_up_rows=(), **options)
            answer = Served(version).prepared("log_prob", "images", "log_prob")
            return lambda: answer(images)

        yield {
            "log_prob of the Keras model": lambda: model.log_prob(images),
            _AGAIN: lambda: model.log_prob(images),
            "exported, in a session": served(),
            "predict_on_batch of the Keras model": lambda: model.predict_on_batch(images),
            "exported, compiled by XLA, in a session": served(jit_compile=True),
        }


def _step(recipe: Recipe, dataset: Dataset, factorization: Factorization) -> Callable[[], Any]:
    batch = dataset.train.images[: recipe.batch_size]
    model = ready_model(recipe, dataset, factorization)
    return lambda: model.train_on_batch(batch)


def _sample(
    recipe: Recipe, dataset: Dataset, factorization: Factorization, **options: Any
) -> Callable[[], Any]:
    flow = recipe.build_flow(dataset.event_shape, factorization, **options)
    distribution = lcma.FlowDistribution(flow)
    draw = tf.function(lambda seed: distribution.sample(recipe.batch_size, seed=seed))
    return lambda: draw(tf.constant((0, 1))).numpy()
