"""Optimisers under which the models train stably."""

import keras

from tfp_lcma import registry
from tfp_lcma.serialization import register

# Learning rates of models that other ones suit than most.
_OPTIMIZERS = {"mar_scf": ("adamax", 4e-3)}
_USUAL = ("adam", 1e-3)
_WARMUP_STEPS = 200


@register
class JetAdam(keras.optimizers.Adam):
    """Adam as Jet's authors have it: a short memory of squares, and weight decay.

    Their weight decay of 1e-5 a step does not go by the learning rate, 3e-4, but by its schedule:
    a thirtieth of the learning rate.

    References:
        google-research/big_vision, configs/proj/jet/imagenet64.py and optax.py.
    """

    def __init__(
        self, learning_rate=3e-4, *, beta_2: float = 0.95, weight_decay: float = 1 / 30, **kwargs
    ):
        """Creates the optimiser; the arguments are those of `keras.optimizers.Adam`."""
        super().__init__(learning_rate, beta_2=beta_2, weight_decay=weight_decay, **kwargs)


def recommended_optimizer(model: str, steps: int | None = None) -> keras.optimizers.Optimizer:
    """Returns an optimiser for a model, whose learning rate rises from 0 over its first steps.

    It rises for 200 steps, or for a tenth of a training that is known to be shorter than 2,000.

    From the first step on, Adam moves every weight by its whole learning rate, all of them in
    directions of one batch; in a deep flow that adds up, and costs bits per dimension at once.

    ```python
    import tfp_lcma as lcma

    flow = lcma.FlowModel(lcma.models.glow((8, 8, 1), levels=2, steps=2, width=8))
    flow.compile(optimizer=lcma.models.recommended_optimizer("glow", steps=2000))
    ```

    Args:
        model: Name of the model function, such as "glow".
        steps: Length of the training, by whose end the learning rate falls to 0 again; None: it
            stays as it is after its rise, for a training of any length.

    Raises:
        ValueError: If no model has this name.
    """
    registry.check_name("model", model, registry.MODELS)
    kind, learning_rate = _OPTIMIZERS.get(model, _USUAL)
    warmup = _WARMUP_STEPS if steps is None else min(_WARMUP_STEPS, steps // 10)
    return warmed_up(kind, learning_rate, warmup_steps=warmup, steps=steps)


def warmed_up(
    kind: str,
    learning_rate: float,
    *,
    warmup_steps: int,
    steps: int | None,
    global_clipnorm: float | None = None,
) -> keras.optimizers.Optimizer:
    """Returns an optimiser whose learning rate rises from 0, then falls along a cosine or stays.

    Args:
        kind: One of `registry.OPTIMIZERS`.
        learning_rate: The highest.
        warmup_steps: Steps over which it rises; 0: it starts there.
        steps: Step at which it has fallen to 0; None: it stays.
        global_clipnorm: Bound on the gradient's norm; None: no bound.
    """
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        max((steps or 0) - warmup_steps, 1),
        alpha=1.0 if steps is None else 0.0,
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    optimizer = registry.load(registry.OPTIMIZERS[kind])
    return optimizer(rate, global_clipnorm=global_clipnorm)
