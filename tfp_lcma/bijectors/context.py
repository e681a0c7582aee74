"""What a pass through a flow goes by, beside its input."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

# A part's own constant arrays by (the part's id, the array's name): see `FlowBijector.constant`.
Constants = Mapping[tuple[int, str], tf.Tensor]


class ProbeSeeds(NamedTuple):
    """What the random probes of estimated log-dets are functions of.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.models.residual_flow((4, 4, 1), levels=1, steps=1, width=4)
    seeds = lcma.bijectors.ProbeSeeds(tf.constant([[0, 1], [0, 2]]), tf.constant(0))
    context = lcma.bijectors.Context(probes=seeds)
    z, log_det = flow.inverse_and_event_log_det(tf.zeros((2, 4, 4, 1)), context=context)
    ```

    Attributes:
        rows: int32 `[batch, 2]`, a seed for every row of the batch; `[1, 2]`: the
            same probes for every row.
        shared: int32 scalar, the seed of the lengths of the series, which rows share.
    """

    rows: tf.Tensor
    shared: tf.Tensor


@dataclasses.dataclass(frozen=True)
class Context:
    """One immutable record that every pass takes along.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.models.real_nvp((4, 4, 1), levels=1, width=4, blocks=1, conditions=10)
    context = lcma.bijectors.Context(condition=tf.constant([3, 7]))
    z, log_det = flow.inverse_and_event_log_det(tf.zeros((2, 4, 4, 1)), context=context)
    ```

    Attributes:
        condition: Classes `[batch]`, vectors `[batch, k]` or images `[batch, height, width, k]`,
            as the flow's `conditions` says; None if unconditional.
        kept: At an exit, what stays, `[batch, height, width, channels]`; None
            elsewhere, and at the last exit.
        training: Whether this is a step of training: batch statistics, new probes.
        first_row: Which row of the whole batch, of which other replicas have the rest, is the
            first of the input; in training, probes are drawn by it.
        rows: How many rows of the input count in statistics of the batch, the first ones; None:
            all. A replica without an image is given a row that does not.
        dimensions: How many dimensions the whole image has, at the levels of a multi-scale flow;
            None elsewhere: as many as the input.
        probes: Seeds of the probes of estimated log-dets outside training; None: each flow's own.
        tolerates_lost_rows: Whether, in eager mode too, rows that an iteration does
            not find are NaN, rather than an error.
        starting: Whether normalisation with a data-dependent start takes it from
            this batch, in eager mode: True, False, or the levels in which it does.
        rows_at_once: While a multi-scale flow starts, from how many rows, the first ones, a
            level's normalisation does; the others follow in pieces of a few times as many. None:
            all rows at once.
        gathering: Whether batch statistics are averaged exactly, rather than moved.
        compiled: Whether XLA compiles the pass and its gradient, where no tape says so.
        constants: What stands in for parts' constant arrays, in a loop over steps
            that differ in them.
    """

    condition: tf.Tensor | None = None
    kept: tf.Tensor | None = None
    training: bool = False
    first_row: int | tf.Tensor = 0
    rows: tf.Tensor | None = None
    dimensions: int | None = None
    probes: ProbeSeeds | None = None
    tolerates_lost_rows: bool = False
    starting: bool | Collection[int] = False
    rows_at_once: int | None = None
    gathering: bool = False
    compiled: bool = False
    constants: Constants = dataclasses.field(default_factory=dict)

    def replace(self, **changes: Any) -> "Context":
        """Returns the record with some attributes changed."""
        return dataclasses.replace(self, **changes)

    def at_level(self, level: int) -> "Context":
        """Returns the record as the parts of one level see it."""
        if isinstance(self.starting, bool):
            return self
        return self.replace(starting=level in self.starting)

    def at_rows(self, rows: slice) -> "Context":
        """Returns the record of some rows of the batch."""
        own = {"condition": self.condition, "kept": self.kept}
        return self.replace(**{n: None if v is None else v[rows] for n, v in own.items()})

    def tensors(self) -> dict[str, tf.Tensor]:
        """Returns, by name, the tensors of the record that a pass may have a gradient for."""
        values = {"condition": self.condition, "kept": self.kept}
        return {
            name: value
            for name, value in values.items()
            if value is not None and tf.as_dtype(value.dtype).is_floating
        }
