# %% [markdown]
# # LCMA step by step
#
# A multi-scale flow takes an image through several levels. After each level but the last, half of
# the dimensions are **factored out**: they become noise at once, and only the rest goes through the
# next level. That is what makes large flows affordable. Which half it should be is a design choice,
# and the published flows fix it beforehand: RealNVP by a checkerboard, Glow by channels.
#
# LCMA (*Likelihood Contribution based Multi-scale Architecture*, Das, Abbeel and Spanos) lets the
# data choose:
#
# 1. Train a flow without a split, in which every dimension passes every level.
# 2. Measure how much each dimension contributes to the log-likelihood up to the end of a level: its
#    log-determinant, averaged over the training images.
# 3. In every 2×2 block, let the two pixels that contribute most stay, and factor the other two out.
# 4. Train a multi-scale flow with that split.
#
# This page takes the four steps on 8×8 digits, and looks at each.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import tfp_lcma as lcma
from tfp_lcma.training.data import load

digits = load("digits")
train, test = digits.train.images, digits.test.images

# %% [markdown]
# ## The splits that are fixed beforehand
#
# Every flow of the package has an `exit_map`: at which level each dimension of the image is
# factored out. Building a flow is enough to see it; nothing has to be trained. Dark pixels are
# factored out after the first level (0), light ones pass the second level as well (1).


# %%
def show_exit_maps(splits):
    """Draws the exit maps of flows with these splits side by side."""
    _, panels = plt.subplots(1, len(splits), figsize=(2.1 * len(splits), 2.5))
    for axes, (name, split) in zip(panels, splits.items(), strict=True):
        flow = lcma.models.real_nvp((8, 8, 1), width=4, blocks=1, factorization=split)
        axes.imshow(flow.exit_map[..., 0], cmap="viridis", vmin=0, vmax=1)
        axes.set_title(name, fontsize=9)
        show_blocks(axes)
    plt.show()


def show_blocks(axes):
    """Draws the borders of the 2×2 blocks."""
    axes.set(xticks=[], yticks=[])
    for border in range(2, 8, 2):
        axes.axhline(border - 0.5, color="white", linewidth=1.5)
        axes.axvline(border - 0.5, color="white", linewidth=1.5)


show_exit_maps(
    {
        "Checkerboard (RealNVP)": lcma.factorizations.Checkerboard(),
        "Channel (Glow)": lcma.factorizations.Channel(),
        "RandomInBlock": lcma.factorizations.RandomInBlock(seed=0),
        "Random": lcma.factorizations.Random(seed=0),
    }
)

# %% [markdown]
# The split acts on a *view* of the image in which every 2×2 block has become the channels of one
# position. Of a grey image these are its four pixels, row by row, so that Glow's split, the first
# half of the channels, keeps the upper row of every block.
#
# ## Step 1: a flow without a split
#
# `factorization=None` builds it. A `LogDetCollector` among the callbacks gathers the statistics
# when training ends.

# %%
epochs, batch_size = 10, 64
steps = epochs * -(-len(train) // batch_size)


def trained(factorization, callbacks=()):
    """Returns RealNVP trained on the digits, from the same weights and in the same steps each."""
    keras.utils.set_random_seed(0)
    flow = lcma.models.real_nvp((8, 8, 1), width=16, blocks=1, factorization=factorization)
    model = lcma.FlowModel(flow, bins=digits.bins)
    model.compile(optimizer=lcma.models.recommended_optimizer("real_nvp", steps=steps))
    history = model.fit(
        train, epochs=epochs, batch_size=batch_size, callbacks=list(callbacks), verbose=0
    )
    return model, history.history["bits_per_dimension"]


collector = lcma.LogDetCollector()
unsplit, unsplit_curve = trained(None, callbacks=[collector])
print(collector.statistics)

# %% [markdown]
# ## Step 2: what every dimension contributes
#
# In this package a flow reports its log-determinant dimension by dimension before anything is
# summed. `statistics.log_det` is its mean over training images, `[levels, height, width, channels]`
# in nats, accumulated from the image to the end of each level. The split after the first level goes
# by the first of these.

# %%
log_det = collector.statistics.log_det[0, ..., 0]

figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
left.imshow(train.mean(axis=0)[..., 0], cmap="gray_r")
left.set_title("mean training image", fontsize=10)
drawn = right.imshow(log_det, cmap="magma")
right.set_title("mean log-det of every pixel", fontsize=10)
figure.colorbar(drawn, ax=right, label="nats")
for axes in (left, right):
    show_blocks(axes)
plt.show()

# %% [markdown]
# A high log-determinant means that the flow had to stretch a dimension much to make noise of it:
# the pixel varied little, or was easy to predict from the others. Such a pixel contributes much to
# log p(x). A pixel on which digits differ contributes little.
#
# ## Step 3: the split
#
# `collector.factorization()` ranks the four pixels of every block by that number. Here is one block
# by hand:

# %%
split = collector.factorization()
flow = lcma.models.real_nvp((8, 8, 1), width=4, blocks=1, factorization=split)

block = np.s_[2:4, 2:4]
print("log-det in nats:", *np.round(log_det[block], 2).tolist(), sep="\n  ")
print("level at which they are factored out:", *flow.exit_map[block][..., 0].tolist(), sep="\n  ")

# %% [markdown]
# And all blocks, beside other rules that go by the same statistics: `keep="low"` is the opposite
# choice; `LikelihoodGain` lets those stay that have most log-density still to gain; `ExitPrice`
# factors out the pair that is cheapest to lose, by the covariances. The [page on
# factorizations](../explanation/factorizations.md) has them all, and how to write one of your own.

# %%
show_exit_maps(
    {
        "LCMA": split,
        'LCMA, keep="low"': collector.factorization(keep="low"),
        "LikelihoodGain": lcma.factorizations.LikelihoodGain(collector.statistics),
        "ExitPrice": lcma.factorizations.ExitPrice(collector.statistics),
    }
)

# %% [markdown]
# ## Step 4: the multi-scale flow
#
# The same flow once more, with LCMA's split and, to compare, with RealNVP's: same initial weights,
# same batches, same number of steps.

# %%
chosen, chosen_curve = trained(split)
fixed, fixed_curve = trained(lcma.factorizations.Checkerboard())

_, axes = plt.subplots(figsize=(6, 3))
axes.plot(unsplit_curve, label="without a split (pre-training)", color="gray", linestyle="--")
axes.plot(chosen_curve, label="LCMA")
axes.plot(fixed_curve, label="checkerboard")
axes.set(xlabel="epoch", ylabel="bits per dimension, training")
axes.legend(frameon=False)
plt.show()

# %%
for name, model in {"LCMA": chosen, "checkerboard": fixed, "no split": unsplit}.items():
    bits = model.bits_per_dimension(test, draws=4)
    error = bits.std() / np.sqrt(len(bits))
    print(f"{name:12}  {bits.mean():.3f} ± {error:.3f} bits/dim on {len(test)} test images")

# %% [markdown]
# The ± is the standard error over test images alone. One seed and so short a training say nothing
# about which split is better, and LCMA had the pre-training on top. `tfp-lcma compare` asks the
# question properly, with several seeds and paired tests; the [answer](../explanation/lcma.md) so
# far is that LCMA did not beat a fixed split in our small runs.
#
# ## What is factored out, in pictures
#
# What does the noise of each exit hold? `encode` gives the noise of an image in the image's shape,
# each dimension where it came from, so that the exit map tells the two exits apart. Setting one of
# them to zero, the mode of the prior, and decoding shows what the other knows by itself.


# %%
def without(model, images, level):
    """Returns images decoded with the noise that is factored out at a level set to zero."""
    z = model.encode(images)
    return model.decode(np.where(model.flow.exit_map == level, 0, z))


images = test[:10]
rows = {"test images": images}
for name, model in {"LCMA": chosen, "checkerboard": fixed}.items():
    rows[f"{name}:\nwhat stays, alone"] = without(model, images, level=0)
    rows[f"{name}:\nwhat is factored\nout, alone"] = without(model, images, level=1)

_, panels = plt.subplots(len(rows), len(images), figsize=(9, 5.2))
for line, (name, shown) in zip(panels, rows.items(), strict=True):
    line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    for axes, image in zip(line, shown, strict=True):
        axes.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=digits.bins)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
plt.show()

# %% [markdown]
# How much each exit knows, as a number: the error of the decoded images, over the test set.

# %%
for name, model in {"LCMA": chosen, "checkerboard": fixed}.items():
    for level, kept in ((0, "what stays, alone"), (1, "what is factored out, alone")):
        error = np.sqrt(np.mean((without(model, test, level) - (test + 0.5)) ** 2))
        print(f"{name:12}  {kept:28}  off by {error:.1f} of 17 intensities (root mean square)")

# %% [markdown]
# Read these with step 2 in mind: what LCMA lets stay contributes much to the likelihood because it
# is easy to predict, as the margins are, and what is hard to predict, the strokes, is factored out.
# The noise of the first exit may well know more of the digit than what stays.
#
# The same can be had of samples: `temperature` takes one number for each level. Here the noise of
# one exit is drawn as usual and that of the other at its mode.

# %%
_, panels = plt.subplots(3, 1, figsize=(8, 3.6))
for axes, (name, temperature) in zip(
    panels,
    {
        "both exits at temperature 1": (1.0, 1.0),
        "only what stays varies": (0.0, 1.0),
        "only what is factored out varies": (1.0, 0.0),
    }.items(),
    strict=True,
):
    samples = chosen.sample(16, seed=2, temperature=temperature)
    axes.imshow(np.hstack(samples[..., 0]), cmap="gray_r", vmin=0, vmax=digits.bins)
    axes.set_title(f"LCMA, {name}", fontsize=9)
    axes.set_axis_off()
plt.show()

# %% [markdown]
# ## Without pre-training
#
# `OnlineLikelihoodContribution` measures while the multi-scale flow trains, and settles the split
# at a step of your choice; [choosing while
# training](../explanation/factorizations.md#choosing-while-training) says how.
