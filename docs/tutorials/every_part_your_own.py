# %% [markdown]
# # Every part your own
#
# A flow here is put together from parts, and each can be yours: what a coupling does with a pixel
# (transform), what computes its parameters (network), other invertible maps (bijector), which
# dimensions are factored out (factorization), and how they become noise (exit prior). [The page
# of parts](../how_to/your_own_parts.md) is the reference of each protocol. On this page one flow
# for digits is built from five new parts, each held to the contract of flows before it is used,
# and the flow is trained.
#
# The idea of this flow: no convolutions. An image of 8×8 is so small that a dense network sees
# all of it, and then nothing need keep pixels beside their neighbours.

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.training.data import load

digits = load("digits")
train, test = digits.train.images, digits.test.images
variance = train.var(axis=0)  # [8, 8, 1]

# %% [markdown]
# ## A transform
#
# Towards the latent, $u = s x + t$ and $z = \sinh(\operatorname{asinh}(u) + k) = u \cosh k +
# \sqrt{1 + u^2} \sinh k$: far out a line of slope $e^k$ on the right and $e^{-k}$ on the left, so
# that skewed values come out symmetric. Back, $u$ is the same of $z$ and $-k$. The log-derivative
# of either direction is returned beside the value. Scale, shift and skew are computed by the
# network, three numbers for every pixel that is moved.
#
# Both directions grow like a line, which matters where steps repeat: $\sinh(\sinh(10))$ is beyond
# float32, and the contract below asks for latents of that size.
#
# Registered classes with a `get_config` are what Keras can save; this holds for all parts.


# %%
@keras.saving.register_keras_serializable("mine")
class Skewed(lcma.transforms.Transform):
    """z = sinh(asinh(s x + t) + k), with s between 1/2 and 2, k between -1 and 1."""

    parameters_per_dimension = 3

    def get_config(self):
        return {}

    def inverse(self, x, parameters):
        log_scale, shift, skew = self._named(parameters)
        u = tf.exp(log_scale) * x + shift
        return self._skewed(u, skew), log_scale + self._log_slope(u, skew)

    def forward(self, z, parameters):
        log_scale, shift, skew = self._named(parameters)
        u = self._skewed(z, -skew)
        return (u - shift) * tf.exp(-log_scale), -log_scale - self._log_slope(u, skew)

    def _named(self, parameters):
        raw_scale, shift, raw_skew = tf.unstack(parameters, axis=-1)
        return np.log(2) * tf.tanh(raw_scale), shift, tf.tanh(raw_skew)

    def _skewed(self, u, skew):
        return u * tf.cosh(skew) + tf.sqrt(1 + u**2) * tf.sinh(skew)

    def _log_slope(self, u, skew):
        return tf.math.log(tf.cosh(skew) + u / tf.sqrt(1 + u**2) * tf.sinh(skew))


x = tf.reshape(tf.linspace(-4.0, 4.0, 121), (1, -1, 1, 1))
_, axis = plt.subplots(figsize=(5, 3))
for scale, skew in [(1, 0), (1, 0.7), (1, -0.7), (0.6, 0.7)]:
    raw = [np.arctanh(np.log2(scale)), 0.0, np.arctanh(skew)]
    z, _ = Skewed().inverse(x, tf.broadcast_to(tf.constant(raw, tf.float32), (*x.shape, 3)))
    axis.plot(x[0, :, 0, 0], z[0, :, 0, 0], label=f"s = {scale}, k = {skew}")
axis.set(xlabel="x", ylabel="z", title="sinh(asinh(s x) + k)")
axis.legend()
plt.show()

# %% [markdown]
# ## A network
#
# Any Keras layer whose first argument is the number of its output channels, and which keeps the
# sides of its input. This one is dense over all pixels, and starts at zero: a coupling begins
# with the same transform for every image.


# %%
@keras.saving.register_keras_serializable("mine")
class Everywhere(keras.layers.Layer):
    """Two dense layers over all numbers of an image."""

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.outputs = outputs
        self.hidden = keras.layers.Dense(64, activation="gelu")

    def build(self, input_shape):
        _, height, width, channels = input_shape
        self.last = keras.layers.Dense(height * width * self.outputs, kernel_initializer="zeros")
        self.hidden.build((None, height * width * channels))
        self.last.build((None, 64))
        self.built = True

    def call(self, inputs):
        flat = tf.reshape(inputs, (-1, np.prod(inputs.shape[1:])))
        return tf.reshape(self.last(self.hidden(flat)), (-1, *inputs.shape[1:3], self.outputs))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.outputs)

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs}


# %% [markdown]
# The coupling of both keeps every second row, and moves the others by what those rows say. A
# boolean array is all that is needed to say so. It is small, so all of its contract is asked:
# invertible, the log-det that of the Jacobian, the same eagerly and in graphs, every variable
# trained, saved, and so on.


# %%
def row_coupling(shape):
    even_rows = np.indices(shape)[0] % 2 == 0
    return lcma.bijectors.Coupling(even_rows, Everywhere, Skewed())


lcma.testing.assert_flow_contract(row_coupling((4, 4, 1)))
print(len(lcma.testing.PROPERTIES), "properties hold:", ", ".join(lcma.testing.PROPERTIES))

# %% [markdown]
# ## A bijector
#
# Rows alone will not do. A quarter turn after every coupling makes the next one see columns, the
# one after that the other rows, then the other columns. A flow writes two methods, mirror images
# of each other, and passes the log-det so far along: with its own share added,
# `log_det.plus(...)`, or moved as its dimensions are. A turn has nothing to add. `route` says the
# same of numpy's indices, from which exit maps are made.


# %%
@keras.saving.register_keras_serializable("mine")
class QuarterTurn(lcma.bijectors.FlowBijector):
    """Turns square images by 90 degrees; log-det 0."""

    def get_config(self):
        return {"event_shape": self.event_shape, "dtype": self.dtype.name}

    def carry_inverse(self, x, log_det, context):
        return tf.image.rot90(x), log_det.moved(tf.image.rot90)

    def carry_forward(self, z, log_det, context):
        return self._back(z), log_det.moved(self._back)

    def route(self, index):
        return np.rot90(index)

    def _back(self, z):
        return tf.image.rot90(z, k=3)


lcma.testing.assert_flow_contract(QuarterTurn((4, 4, 1)))

# %% [markdown]
# The usual mistake is to forget the log-det's share of the turn. Densities stay right, since the
# sum does, and every map of the log-likelihood is turned. The contract says so:


# %%
class Forgetful(QuarterTurn):
    def carry_inverse(self, x, log_det, context):
        return tf.image.rot90(x), log_det


try:
    lcma.testing.assert_flow_contract(Forgetful((4, 4, 1)), properties=["log_det", "moves"])
except AssertionError as error:
    print(error)

# %% [markdown]
# ## A factorization
#
# Between two levels half of the dimensions are factored out. Here it is the half whose
# intensities vary least in the training images, wherever they are. `bijector` returns the flow
# that puts those that stay first: a permutation of the level's view `[h, w, 4c]`, in which a
# block of 2×2 pixels has become channels. `arriving` says which pixels they are.


# %%
@keras.saving.register_keras_serializable("mine")
class MostVariable(lcma.factorizations.Factorization):
    """The half of all dimensions that varies most stays."""

    def __init__(self, variance):
        super().__init__()
        self.variance = np.asarray(variance)

    def get_config(self):
        return {"variance": self.variance}

    def bijector(self, level, view_shape):
        height, width, _ = view_shape
        pixels = lcma.factorizations.view(self.arriving(level, self.variance.shape))
        order = np.argsort(-self.variance.ravel()[pixels].ravel(), kind="stable")
        stay = self.staying(level, view_shape)
        first, second = np.split(order, [height * width * stay])
        halves = [np.sort(half).reshape(height, width, -1) for half in (first, second)]
        return lcma.bijectors.Permutation(np.concatenate(halves, axis=-1))


# %% [markdown]
# ## An exit prior
#
# What is factored out becomes standard normal noise, given what stays. Here it is linear in what
# stays, with one scale a pixel. An exit with variables of its own gives the Keras layers that
# hold them to the base class. At the last level nothing stays; the exit is the identity.


# %%
@keras.saving.register_keras_serializable("mine")
class LinearExit(lcma.bijectors.FlowBijector):
    """z = (x - mean) exp(-log_scale), both linear in what stays."""

    def __init__(self, event_shape, kept_shape, dtype="float32"):
        self.kept_shape = tuple(kept_shape)
        numbers = int(np.prod(event_shape))
        self.linear = keras.layers.Dense(2 * numbers, kernel_initializer="zeros", dtype=dtype)
        self.linear.build((None, int(np.prod(kept_shape))))
        super().__init__(event_shape, dtype=dtype, layers=[self.linear])

    def get_config(self):
        return {
            "event_shape": self.event_shape,
            "kept_shape": self.kept_shape,
            "dtype": self.dtype.name,
        }

    def carry_inverse(self, x, log_det, context):
        mean, log_scale = self._mean_and_log_scale(context.kept)
        return (x - mean) * tf.exp(-log_scale), log_det.plus(-log_scale)

    def carry_forward(self, z, log_det, context):
        mean, log_scale = self._mean_and_log_scale(context.kept)
        return z * tf.exp(log_scale) + mean, log_det.plus(log_scale)

    def _mean_and_log_scale(self, kept):
        raw = self.linear(tf.reshape(kept, (-1, np.prod(self.kept_shape))))
        mean, log_scale = tf.split(raw, 2, axis=-1)
        shape = (-1, *self.event_shape)
        return tf.reshape(mean, shape), 3 * tf.tanh(tf.reshape(log_scale, shape) / 3)


@keras.saving.register_keras_serializable("mine")
class Linear(lcma.priors.ExitPrior):
    def get_config(self):
        return {}

    def bijector(self, level, leaving_shape, kept_shape, conditions, dtype):
        if kept_shape is None:
            return lcma.bijectors.Identity(leaving_shape)
        return LinearExit(leaving_shape, kept_shape, dtype)


# %% [markdown]
# ## The flow
#
# `Repeated` runs a step as often as is asked, each time with weights of its own, and `MultiScale`
# puts levels, factorization and exits together. Its `exit_map` is the level at which a pixel is
# factored out.


# %%
def level(shape, steps):
    def step():
        return lcma.bijectors.FlowChain([row_coupling(shape), QuarterTurn(shape)])

    return lcma.bijectors.Repeated(step, steps)


def my_flow(variance, steps):
    factorization = MostVariable(variance)
    shapes = lcma.multi_scale.level_shapes(variance.shape, 2, factorization)
    flows = [level(shape, steps) for shape in shapes]
    return lcma.multi_scale.MultiScale(flows, factorization, Linear())


lcma.testing.assert_flow_contract(my_flow(variance[2:6, 2:6], steps=2))
keras.utils.set_random_seed(0)
flow = my_flow(variance, steps=8)
print(flow)

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
pictures = [("variance, intensities²", variance, None), ("level of exit", flow.exit_map, [0, 1])]
for axis, (name, values, ticks) in zip(axes, pictures, strict=True):
    drawn = axis.imshow(values[..., 0], cmap="viridis")
    axis.set(xticks=[], yticks=[], title=name)
    figure.colorbar(drawn, ax=axis, ticks=ticks)
plt.show()

# %% [markdown]
# ## On data
#
# The flow is a flow like any other: it trains, scores, samples, saves. Beside it is the same one
# with three of its parts taken from the package: affine transforms, Glow's split, Gaussian exits
# by convolution.


# %%
def package_flow(steps):
    def level(shape):
        even_rows = np.indices(shape)[0] % 2 == 0

        def step():
            coupling = lcma.bijectors.Coupling(even_rows, Everywhere)
            return lcma.bijectors.FlowChain([coupling, QuarterTurn(shape)])

        return lcma.bijectors.Repeated(step, steps)

    factorization = lcma.factorizations.Channel()
    shapes = lcma.multi_scale.level_shapes((8, 8, 1), 2, factorization)
    exits = lcma.priors.ConditionalGaussian()
    return lcma.multi_scale.MultiScale([level(shape) for shape in shapes], factorization, exits)


def trained(flow, epochs=40, batch_size=64):
    model = lcma.FlowModel(flow, bins=digits.bins)
    steps = epochs * -(-len(train) // batch_size)
    model.compile(optimizer=lcma.models.recommended_optimizer("glow", steps=steps))
    model.fit(train, epochs=epochs, batch_size=batch_size, verbose=0)
    bits = model.bits_per_dimension(test, draws=4)
    error = bits.std(ddof=1) / np.sqrt(len(bits))
    print(f"{bits.mean():.3f} ± {error:.3f} bits per dimension on {len(test)} test images")
    return model


model = trained(flow)

# %%
keras.utils.set_random_seed(0)
of_package = trained(package_flow(steps=8))

# %%
samples = model.sample(32, seed=1, temperature=0.8)[..., 0]
tiles = np.pad(samples, ((0, 0), (0, 1), (0, 1))).reshape(2, 16, 9, 9)
_, axis = plt.subplots(figsize=(8, 1.1), layout="constrained")
axis.imshow(np.vstack([np.hstack(list(row)) for row in tiles]), cmap="gray_r")
axis.set_axis_off()
plt.show()

file = Path(tempfile.mkdtemp()) / "mine.keras"
model.save(file)
again = keras.saving.load_model(file)
print(
    "saved, loaded, same scores:",
    np.allclose(again.log_prob(test), model.log_prob(test), atol=1e-2),
)
