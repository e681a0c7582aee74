"""The contract of a flow: a bijector that reports its log-det per event dimension."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

import keras
import numpy as np
import tensorflow as tf

from tfp_lcma.bijectors.backward import Backward, differentiated
from tfp_lcma.bijectors.checks import flow_dtype, image_batch, image_shape
from tfp_lcma.bijectors.context import Context
from tfp_lcma.bijectors.copies import Copyable
from tfp_lcma.bijectors.inside import modules_inside
from tfp_lcma.bijectors.log_det import EventLogDet, LogDet, Moved, NoLogDet, SummedLogDet
from tfp_lcma.bijectors.outline import Row, table
from tfp_lcma.bijectors.tfp_methods import OnePassBijector
from tfp_lcma.networks.condition import Conditions, batch_condition, check_conditions
from tfp_lcma.networks.scope import standing_in
from tfp_lcma.serialization import register

_Function = TypeVar("_Function", bound=Callable)


def unconverted(function: _Function) -> _Function:
    """Marks a method whose code is TensorFlow's already: converting it takes long for nothing."""
    as_it_is = tf.autograph.experimental.do_not_convert(function)

    # A method of its own: TensorFlow's wrapper loses `self` where a bound method is an argument.
    @functools.wraps(function)
    def method(self, *args, **kwargs):
        return as_it_is(self, *args, **kwargs)

    return cast(_Function, method)


class FlowBijector(Copyable, OnePassBijector):
    """An invertible map of images whose log-det is a tensor shaped like the event.

    ```none
    forward   x = g(z)       latent -> data (sampling)
    inverse   z = g^{-1}(x)  data -> latent (density)

    inverse_and_event_log_det(x) = (z, d),  d.shape == z.shape,
    sum(d) = log |det dz/dx|
    ```

    A subclass writes `carry_inverse`, its mirror image `carry_forward`, and `get_config`:

    ```python
    import math

    import tensorflow as tf

    import tfp_lcma as lcma


    class Double(lcma.bijectors.FlowBijector):
        def carry_inverse(self, x, log_det, context):
            return 2 * x, log_det.plus(tf.fill(tf.shape(x), math.log(2)))

        def carry_forward(self, z, log_det, context):
            return z / 2, log_det.plus(tf.fill(tf.shape(z), -math.log(2)))

        def get_config(self):
            return {"event_shape": self.event_shape}
    ```

    Both get the log-det so far, an accumulator, and return it with their own share added (`plus`),
    moved along with the dimensions (`moved`), or in parts (`split`, `joined`); they never ask
    which kind it is. Everything else, TFP's methods included, is derived here, once.

    Attributes:
        event_shape: Shape of one data image, `(height, width, channels)`.
        latent_shape: Shape of its latent; that of the image but for flows that reshape.
        exit_map: Integer array of the event's shape, the level at which each
            dimension is factored out; None for a flow that has no levels.
        routes_change: Whether `route` may give another answer later, because it
            goes by a variable.
        conditions: What the flow is conditioned on: a number of classes, the shape `(k,)` of
            a vector, or `(height, width, k)` of an image; None if unconditional.
        searches: Whether the forward map is a search for a root. Backward by
            inversion then keeps the flow's input.
        remembers: Whether `remember` returns anything for `carry_backward`.
        iterates: Whether that search is an iteration, which may not converge.
        gathers_statistics: Whether the flow has batch statistics, which must be
            averaged over training images before it is evaluated.
        defined_everywhere: Whether it takes all numbers; if not, `within_support` says which.
    """

    routes_change: bool = False
    searches: bool = False
    iterates: bool = False
    gathers_statistics: bool = False
    defined_everywhere: bool = True

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        dtype: str | None = "float32",
        layers: Sequence[keras.layers.Layer] = (),
        conditions: Conditions = None,
        latent_shape: Sequence[int] | None = None,
        name: str | None = None,
    ):
        """Creates the flow.

        Args:
            event_shape: Shape of one data image, `(height, width, channels)`.
            dtype: "float32" or "float64": the type of activations and log-dets;
                None: any, for a flow without numbers of its own.
            layers: The built Keras layers that hold this flow's own variables.
            conditions: Number of classes, or the shape `(k,)` of a vector or
                `(height, width, k)` of an image, that it is conditioned on; None if unconditional.
            latent_shape: Shape of one latent; None: the image's.
            name: Name of the bijector.

        Raises:
            ValueError: If the shape or the type cannot be that of an image flow, or a
                layer is not built.
        """
        # No `parameters`: TFP would let two flows with equal ones share a cache.
        super().__init__(forward_min_event_ndims=3, dtype=flow_dtype(dtype), name=name)
        for layer in layers:
            if not layer.built:
                raise ValueError(
                    f"layers must be built, or their variables would be lost; got {layer.name!r}, "
                    f"a {type(layer).__name__} that is not."
                )
        self.event_shape = image_shape(event_shape, "event_shape")
        self.latent_shape = image_shape(latent_shape or event_shape, "latent_shape")
        self.conditions = check_conditions(conditions, images=True)
        self._own_layers = self._no_dependency(list(layers))
        # A Keras layer is no tf.Module: its variables are listed for TFP by hand.
        self._own_variables = [v.value for layer in layers for v in layer.variables]

    @property
    def exit_map(self) -> np.ndarray | None:
        """The level at which each dimension is factored out; None without levels."""
        return None

    # What a subclass writes.

    def carry_inverse(
        self, x: tf.Tensor, log_det: LogDet, context: Context
    ) -> tuple[tf.Tensor, LogDet]:
        """Maps data to latents and takes the log-det along.

        Args:
            x: `[batch, height, width, channels]`.
            log_det: The log-det so far, at the places of `x`.
            context: What the pass goes by.

        Returns:
            The latents, and the log-det at their places with this flow's added.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks carry_inverse().")

    def carry_forward(
        self, z: tf.Tensor, log_det: LogDet, context: Context
    ) -> tuple[tf.Tensor, LogDet]:
        """Maps latents to data and takes the log-det along; the mirror image of the inverse."""
        raise NotImplementedError(f"{type(self).__name__} lacks carry_forward().")

    def route(self, index: np.ndarray) -> np.ndarray:
        """Moves an integer array shaped like one image as the inverse moves dimensions.

        Plain numpy, used while a model is built. Flows whose moves are not a fixed permutation
        leave the array alone: their entries are known by the slot they end in.
        """
        return index

    @property
    def constants(self) -> Mapping[str, np.ndarray]:
        """Constant arrays in which repeated steps may differ; read by `constant`."""
        return {}

    # What a subclass may write better than it is derived here.

    def within_support(self, x: tf.Tensor, context: Context) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns data that lie where the flow is defined, and which rows did as they came.

        Only flows that are not `defined_everywhere` are asked.

        Args:
            x: `[batch, height, width, channels]`; NaN stays NaN.
            context: What the pass goes by.

        Returns:
            `x` with rows outside the support changed so that they lie within, and booleans
            `[batch]`, true for rows of NaN too.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks within_support().")

    def log_density(self, x: tf.Tensor, log_det: LogDet, context: Context) -> tf.Tensor:
        """Returns log N(z; 0, I) + log-det, `[batch]`, in nats.

        Args:
            x: `[batch, height, width, channels]`.
            log_det: A `SummedLogDet`, of what came before.
            context: What the pass goes by.
        """
        z, log_det = self.carry_inverse(x, log_det, context)
        return tf.reduce_sum(standard_normal_log_prob(z), axis=(1, 2, 3)) + log_det.values

    @property
    def remembers(self) -> bool:
        return self._keeps_input

    @property
    def _keeps_input(self):
        # Statistics of the batch are not known on the way back from its latents.
        return self.searches or self.gathers_statistics

    def remember(
        self, x: tf.Tensor, log_det: LogDet, context: Context
    ) -> tuple[tf.Tensor, LogDet, Any]:
        """Does what `carry_inverse` does, and returns what `carry_backward` needs beside that.

        Returns:
            Latents, log-det, and a nest of tensors: here the input, if the forward
            map is a search or the flow has batch statistics, else nothing.
        """
        z, log_det = self.carry_inverse(x, log_det, context)
        return z, log_det, (x if self._keeps_input else ())

    def carry_backward(
        self, z: tf.Tensor, dz: tf.Tensor, dlog_det: LogDet, context: Context, memory: Any = ()
    ) -> Backward:
        """Goes one step of the gradient backward: finds the input again and differentiates there.

        Only within a scope in which variables have the values that the pass read
        (`inversion.py`); changes of state are lost.

        Args:
            z: The latents that the pass returned.
            dz: The loss' gradient with respect to them.
            dlog_det: That with respect to the log-det that the pass returned.
            context: As the pass had it.
            memory: What `remember` returned.
        """
        if self._keeps_input:
            # All steps could be recomputed at once, and their activations be kept after all.
            with tf.control_dependencies([dz]):
                x = tf.identity(memory)
        else:
            with standing_in():
                x = self.carry_forward(z, NoLogDet(), context)[0]
        return differentiated(self.carry_inverse, x, dz, dlog_det, context, self.layers)

    # What every flow has.

    @unconverted
    def inverse_and_event_log_det(
        self, x: tf.Tensor, condition=None, *, context: Context | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps data to latents in one pass.

        Args:
            x: `[batch, height, width, channels]`.
            condition: Classes `[batch]`, vectors `[batch, k]` or images, as `conditions`
                says; ignored by an unconditional flow.
            context: What else the pass goes by; None: a pass of inference.

        Returns:
            The latents and, in their shape, each one's share of log|det dz/dx| in nats.
        """
        x = self._data(x)
        context = self.context_of(x, condition, context)
        z, log_det = self.carry_inverse(x, self._no_event_yet(x), context)
        return z, log_det.values

    @unconverted
    def forward_and_event_log_det(
        self, z: tf.Tensor, condition=None, *, context: Context | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents to data in one pass; the mirror image of the inverse."""
        z = self._latents(z)
        context = self.context_of(z, condition, context)
        x, log_det = self.carry_forward(z, self._no_event_yet(z), context)
        return x, log_det.values

    @unconverted
    def inverse_and_log_det(
        self, x: tf.Tensor, condition=None, *, context: Context | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps data to latents in one pass; returns them and log|det dz/dx|, `[batch]`.

        The sum of the event log-det, without the work of keeping it by dimension.
        """
        x = self._data(x)
        context = self.context_of(x, condition, context)
        z, log_det = self.carry_inverse(x, no_sum_yet(x), context)
        return z, log_det.values

    @unconverted
    def forward_and_log_det(
        self, z: tf.Tensor, condition=None, *, context: Context | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents to data in one pass; the mirror image of the inverse."""
        z = self._latents(z)
        context = self.context_of(z, condition, context)
        x, log_det = self.carry_forward(z, no_sum_yet(z), context)
        return x, log_det.values

    def inverse_event_log_det_jacobian(self, x: tf.Tensor, condition=None) -> tf.Tensor:
        """Returns log|det dz/dx| per event dimension, in nats."""
        return self.inverse_and_event_log_det(x, condition)[1]

    def forward_event_log_det_jacobian(self, z: tf.Tensor, condition=None) -> tf.Tensor:
        """Returns log|det dx/dz| per event dimension, in nats."""
        return self.forward_and_event_log_det(z, condition)[1]

    def move_inverse(self, t: tf.Tensor, x: tf.Tensor, condition=None) -> tf.Tensor:
        """Carries a per-dimension tensor `t` as the inverse carries `x`; keeps its sum."""
        x = self._data(x)
        return self.carry_inverse(x, Moved(t), self.context_of(x, condition))[1].values

    def move_forward(self, t: tf.Tensor, z: tf.Tensor, condition=None) -> tf.Tensor:
        """Carries a per-dimension tensor `t` as the forward map carries `z`."""
        z = self._latents(z)
        return self.carry_forward(z, Moved(t), self.context_of(z, condition))[1].values

    @unconverted
    def forward_with_convergence(self, z: tf.Tensor, condition=None) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents to data and says for every row whether that succeeded.

        Where the forward map is an iteration, a row may not converge. It is then
        NaN, here and in graphs; other calls in eager mode raise a ValueError.

        Returns:
            The data and a boolean `[batch]`.
        """
        z = self._latents(z)
        context = self.context_of(z, condition, Context(tolerates_lost_rows=True))
        x, _ = self.carry_forward(z, NoLogDet(), context)
        return x, tf.reduce_all(tf.math.is_finite(x), axis=(-3, -2, -1))

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The Keras layers of this flow and of all its parts, each once."""
        found: dict[int, keras.layers.Layer] = {}
        for part in self.parts:
            found.update((id(layer), layer) for layer in part._own_layers)
        return list(found.values())

    @property
    def parts(self) -> list["FlowBijector"]:
        """This flow and all flows inside it."""
        return [self, *(part for part in modules_inside(self) if isinstance(part, FlowBijector))]

    @property
    def kinds(self) -> list["FlowBijector"]:
        """Like `parts`, and one step of those that are repeated, whose variables mean nothing."""
        return [kind for part in self.parts for kind in part._own_kinds()]

    def _own_kinds(self):
        return [self]

    def outline(self) -> list[Row]:
        """Returns what the flow consists of, a row for every part; see `summary`."""
        return [Row(self._title(), self.latent_shape, _count(self._own_layers))]

    def summary(self, print_fn: Callable[[str], None] = print) -> None:
        """Prints the flow's parts, their shapes and variables.

        Args:
            print_fn: What is done with the text.
        """
        print_fn(str(self))

    def __str__(self) -> str:
        trained = _count(self.layers, trainable=True)
        fixed = _count(self.layers) - trained
        others = f", {fixed:,} others" if fixed else ""
        return table(self.outline(), f"{trained:,} trained variables{others}{self._remark()}")

    def _title(self) -> str:
        """Returns what this part is, for a summary."""
        return type(self).__name__

    def _remark(self) -> str:
        """Returns what a summary says at its end."""
        return ""

    @property
    def start_flags(self) -> list[keras.Variable]:
        """One variable for every normalisation that starts from data, 1 once it has."""
        inner = [layer for outer in self.layers for layer in outer._flatten_layers()]
        flags = [flag for layer in inner for flag in getattr(layer, "start_flags", ())]
        return list({id(flag): flag for flag in flags}.values())

    @property
    def start_images(self) -> int:
        """How many images its data-dependent starts ask for; 0 if one batch will do, or none."""
        outer = [layer for kind in self.kinds for layer in kind._own_layers]
        inner = [layer for one in outer for layer in one._flatten_layers()]
        return max((getattr(layer, "start_images", 0) for layer in inner), default=0)

    @property
    def is_initialized(self) -> bool:
        """Whether every normalisation with a data-dependent start has had it."""
        with tf.init_scope():
            return all(bool(np.all(flag.numpy())) for flag in self.start_flags)

    @property
    def start_due(self) -> Collection[int] | None:
        """The levels whose data-dependent start is still due, or None, which stands for all."""
        return () if self.is_initialized else None

    def reset_statistics(self) -> None:
        """Forgets all batch statistics, ready to average a pass over the data exactly."""
        for part in self.parts[1:]:
            if part.gathers_statistics and part._own_layers:
                part.reset_statistics()

    def constant(self, name: str, context: Context, dtype: tf.DType | None = None) -> tf.Tensor:
        """Returns one of `constants`, as the step of a loop has it."""
        value = context.constants.get((id(self), name))
        if value is None:
            value = tf.convert_to_tensor(self.constants[name])
        return value if dtype is None else tf.cast(value, dtype)

    def context_of(
        self, images: tf.Tensor, condition=None, context: Context | None = None
    ) -> Context:
        """Returns the record of a pass over images, with a condition for each of them.

        Args:
            images: `[batch, height, width, channels]`.
            condition: Of each, or one for all, as a number, list, array or tensor; None: what
                `context` has.
            context: The record without it; None: a pass of inference.

        Raises:
            ValueError: If the condition is not as `conditions` says.
        """
        context = Context() if context is None else context
        if condition is None:
            return context
        if self.conditions is not None:
            condition = batch_condition(condition, self.conditions, images)
        return context.replace(condition=condition)

    def _data(self, x):
        return image_batch(x, self.event_shape, "x", self.dtype)

    def _latents(self, z):
        return image_batch(z, self.latent_shape, "z", self.dtype)

    def _no_event_yet(self, value):
        return EventLogDet(tf.zeros_like(value, self.dtype))


@register
class Identity(FlowBijector):
    """Leaves everything as it is; log-det 0.

    ```python
    import tensorflow as tf

    import tfp_lcma as lcma

    flow = lcma.bijectors.Identity((4, 4, 1))
    z, log_det = flow.inverse_and_event_log_det(tf.ones((1, 4, 4, 1)))
    float(tf.reduce_sum(log_det))  # 0.0
    ```
    """

    def __init__(self, event_shape: Sequence[int], name: str | None = None):
        """Creates the flow.

        Args:
            event_shape: `(height, width, channels)`.
            name: Name of the bijector.

        Raises:
            ValueError: If `event_shape` is not that of an image.
        """
        super().__init__(event_shape, dtype=None, name=name)

    def get_config(self) -> dict:
        return {"event_shape": self.event_shape}

    def carry_inverse(self, x, log_det, context):
        return x, log_det

    def carry_forward(self, z, log_det, context):
        return z, log_det


def standard_normal_log_prob(z: tf.Tensor) -> tf.Tensor:
    """Returns log N(z; 0, 1) per entry, in nats."""
    return -0.5 * tf.square(z) - float(0.5 * np.log(2 * np.pi))


def no_sum_yet(value: tf.Tensor) -> SummedLogDet:
    """Returns an empty sum for a batch `[batch, height, width, channels]`."""
    return SummedLogDet(tf.zeros_like(value[:, 0, 0, 0]))


def _count(layers: Sequence[keras.layers.Layer], trainable: bool = False) -> int:
    """Returns how many numbers layers hold, all or those that are trained."""
    variables = {id(v): v for layer in layers for v in layer.variables}
    shapes = [v.shape for v in variables.values() if v.trainable or not trainable]
    return sum(int(np.prod(shape)) for shape in shapes)
