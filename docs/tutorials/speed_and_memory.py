# %% [markdown]
# # Speed and memory
#
# Four switches: loops over depth, the gradient by inversion, XLA, and bfloat16. This page tries
# each on a small Glow, and prints how it compares with the default on the machine that built the
# page. Ratios are of runs that take turns in one process; seconds are this machine's, which has
# other work as well, and say little about yours. [Depth and
# memory](../explanation/depth_and_memory.md) has the reasons and measurements at full size, [on a
# GPU](../how_to/gpu.md) those of a GPU.

# %%
import os
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import tfp_lcma as lcma
from tfp_lcma.training.data import load
from tfp_lcma.training.studies.cost.live_memory import peak_bytes

tf.get_logger().setLevel("ERROR")
shape, batch_size = (16, 16, 3), 32
photos = load("photos16", limit=2000)
print(f"{os.cpu_count()} processors, {len(tf.config.list_physical_devices('GPU'))} GPUs")


def glow(steps, **settings):
    keras.utils.set_random_seed(0)
    return lcma.models.glow(shape, levels=2, steps=steps, width=32, **settings)


def gradient_of(flow):
    """The gradient that a training step takes, as a graph."""
    prior = lcma.FlowDistribution(flow)
    variables = [v for v in prior.trainable_variables]

    def gradient(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(prior.log_prob(x))
        return tape.gradient(loss, variables)

    return tf.function(gradient, autograph=False)


def first_call(function, *arguments):
    """Seconds until a function has answered once: tracing, compiling, running."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def paired(functions, *arguments, rounds=7):
    """Seconds a call, `[functions, rounds]`; the functions take turns."""
    for function in functions:
        function(*arguments)
    return np.array([[first_call(f, *arguments) for f in functions] for _ in range(rounds)]).T


def ratio(seconds):
    """The median of the second over the first, and the quarter and three-quarter points."""
    low, middle, high = np.percentile(seconds[1] / seconds[0], [25, 50, 75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


x = tf.random.stateless_normal((batch_size, *shape), (0, 1))

# %% [markdown]
# ## Depth
#
# The steps of a level have one graph between them, run as a loop, and their variables are
# stacked. So a deeper flow takes as long to start as a shallow one. `unroll=True` writes every
# step into the graph, the same variables and results. (Up to four steps, unrolled is the
# default.)

# %%
first_call(gradient_of(glow(1)), x)  # TensorFlow's own start is no flow's
gradients = {}
for steps in (4, 16):
    for unroll in (False, True):
        gradients[steps, unroll] = gradient_of(glow(steps, unroll=unroll))
        seconds = first_call(gradients[steps, unroll], x)
        name = "unrolled" if unroll else "loop"
        print(f"{steps:3} steps a level, {name:9} first gradient after {seconds:5.1f} s")

# %%
seconds = paired([gradients[4, True], gradients[4, False]], x)
print("4 steps, a gradient later on, loop over unrolled:", ratio(seconds))

# %% [markdown]
# ## Memory
#
# A plain gradient keeps the activations of every step. A flow is invertible, so it can give them
# back instead: `memory="invert"` keeps the ends of levels, and finds the steps' inputs again on
# the way back. What the two take is counted from the graphs, the largest sum of results that are
# alive at once. The count is the same on all machines; what libraries take for themselves comes
# on top. `tfp-lcma cost` counts for a recipe, without code.


# %%
def counted(steps, memory):
    gradient = gradient_of(glow(steps, unroll=False, memory=memory))
    specification = tf.TensorSpec((batch_size, *shape))
    return peak_bytes(gradient.get_concrete_function(specification).graph) / 1e6


depths = (4, 8, 16, 32)
megabytes = {m: [counted(steps, m) for steps in depths] for m in ("keep", "invert")}

# %%
_, axis = plt.subplots(figsize=(5, 3))
for memory, values in megabytes.items():
    axis.plot(depths, values, marker="o", label=f'memory="{memory}"')
axis.set(xlabel="steps a level", ylabel="MB of a gradient, batch of 32", ylim=(0, None))
axis.legend()
plt.show()
print("steps  ", ", ".join(map(str, depths)))
for memory, values in megabytes.items():
    print(f"{memory:7}", ", ".join(f"{value:.0f}" for value in values), "MB")

# %% [markdown]
# The price is time: every network is evaluated once more, 4/3 of the work of a plain gradient.
# And the gradient is the same, up to rounding.

# %%
keep, invert = gradients[4, True], gradient_of(glow(4, memory="invert"))
print("time, invert over keep:", ratio(paired([keep, invert], x)))
pairs = list(zip(keep(x), invert(x), strict=True))
off = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in pairs) / sum(np.sum(a**2) for a, _ in pairs))
print(f"gradient, invert off keep by {off:.0e} of its length")

# %% [markdown]
# `flow.memory = "invert"` may be set at any time, for functions that are traced afterwards.
# Second derivatives need "keep".
#
# ## XLA
#
# `jit_compile=True` has XLA compile a whole function for one shape of input. That takes longer at
# first and pays for what is asked often. A model takes it in `compile`, an export in
# `export_saved_model(..., jit_compile=True)`.

# %%
flow = glow(2)
plain = tf.function(lcma.FlowDistribution(flow).log_prob)
compiled = tf.function(lcma.FlowDistribution(flow).log_prob, jit_compile=True)
for name, function in (("plain", plain), ("XLA", compiled)):
    print(f"log_prob, {name:5} first answer after {first_call(function, x):4.1f} s")
print("log_prob later on, XLA over plain:", ratio(paired([plain, compiled], x)))
print(f"off by {np.abs(plain(x) - compiled(x)).max():.1e} nats")

# %% [markdown]
# ## bfloat16
#
# Under `dtype="mixed_bfloat16"` networks compute in bfloat16, and the flow itself, its log-dets
# and all weights stay in float32. A coupling computes the same parameters in either direction, so
# the flow is inverted as before; only where rounding takes a network's input across the edge
# between two numbers of bfloat16 does the way back differ. Densities move a little. On processors
# with units for bfloat16 networks are faster, on others slower, and how much of a model's time
# they take decides what that means for it.

# %%
keras.utils.set_random_seed(0)
model = lcma.FlowModel(lcma.models.glow(shape, levels=2, steps=4, width=64))
model.compile(optimizer=lcma.models.recommended_optimizer("glow", steps=32))
model.fit(photos.train.images[:1024], batch_size=32, epochs=1, verbose=0)

half = lcma.FlowModel(lcma.models.glow(shape, levels=2, steps=4, width=64, dtype="mixed_bfloat16"))
half.set_weights(model.get_weights())

# %%
seen = photos.test.images[:256]
whole_bits, half_bits = model.bits_per_dimension(seen), half.bits_per_dimension(seen)
print(f"bits per dimension {whole_bits.mean():.4f} in float32, {half_bits.mean():.4f} in bfloat16")
for name, one in (("float32", model), ("bfloat16", half)):
    off = np.abs(one.decode(one.encode(seen)) - seen - 0.5)
    print(f"{name:9} round trip: error {np.median(off):.0e} in the median, {off.max():.0e} at most")
print("time, bfloat16 over float32:", ratio(paired([model.log_prob, half.log_prob], seen)))

# %% [markdown]
# `keras.mixed_precision.set_dtype_policy("mixed_bfloat16")` makes it the default of all models,
# and an export takes `network_dtype="bfloat16"` whatever it was trained in.
