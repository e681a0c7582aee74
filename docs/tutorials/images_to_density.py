# %% [markdown]
# # From images to densities in ten minutes
#
# A **normalizing flow** is a neural network that can be run backwards. One way it turns an image
# `x` into noise `z` of the same shape; the other way it turns noise into an image. Because it is
# invertible, it has a probability density, in closed form:
#
# $$
# \log p(x) = \log \mathcal{N}(z; 0, I) + \log \left| \det \frac{\partial z}{\partial x} \right|
# $$
#
# Training raises this number for the training images. When it is over, the one network answers four
# kinds of question: how likely is this image, which pixels make it so, draw me another, and what
# lies between these two.
#
# This page asks all four, of scikit-learn's 8×8 handwritten digits, on which a flow trains in a
# minute. For images of your own the code is the same; only the shape differs.

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow_probability as tfp

import tfp_lcma as lcma
from tfp_lcma.training.data import load

digits = load("digits")
train, validation, test = digits.train.images, digits.validation.images, digits.test.images
print(f"{len(train)} images to train on, {len(validation)} to validate, {len(test)} to test")
print(f"shape {train.shape[1:]}, type {train.dtype}, intensities 0 to {digits.bins - 1}")

# %% [markdown]
# Images are whole numbers, `[n, height, width, channels]`: uint8 from 0 to 255 usually, from 0 to
# 16 here. They go into the model as they are. Scaling to [0, 1] is the model's business, since the
# density of scaled images would be another one.


# %%
def show(images, columns, title):
    """Shows images of one channel as one picture, row by row."""
    tiles = np.pad(images[..., 0].astype(float), ((0, 0), (0, 1), (0, 1)))
    rows = np.split(tiles, len(tiles) // columns)
    _, axes = plt.subplots(figsize=(0.6 * columns, 0.6 * len(rows)))
    picture = np.vstack([np.hstack(row) for row in rows])
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=digits.bins - 1)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
    plt.show()


show(train[:32], 16, "training images")

# %% [markdown]
# ## The model
#
# `lcma.models` has flows from the literature, each a function from the shape of an image to a flow.
# RealNVP is the oldest of them. Its layers are **couplings**: one half of the pixels is left as it
# is, and a small convolutional network computes from it by how much the other half is scaled and
# shifted. That is easy to undo, whatever the network computes.
#
# After every level but the last, half of the dimensions are **factored out**: they become noise
# there and then, and only the other half goes through the next level. Which half is the question
# that this package is about; [LCMA step by step](lcma_step_by_step.py) is about that.

# %%
keras.utils.set_random_seed(0)
flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=24, blocks=1)
print(flow)

# %% [markdown]
# `FlowModel` makes it a Keras model. The loss is its own, −log p(x), so `compile` needs an
# optimiser only, and `fit` needs images only.

# %%
model = lcma.FlowModel(flow, bins=digits.bins)
epochs, batch_size = 20, 64
steps = epochs * -(-len(train) // batch_size)
model.compile(optimizer=lcma.models.recommended_optimizer("real_nvp", steps=steps))
history = model.fit(
    train, validation_data=(validation,), epochs=epochs, batch_size=batch_size, verbose=0
)

# %% [markdown]
# The unit of the metric is **bits per dimension**: how many bits a pixel takes, on average, if
# images are compressed by means of this density. Less is better. Two numbers to compare with:
#
# - 17 intensities, all equally likely, take log₂ 17 bits.
# - A histogram of every pixel by itself knows that corners are empty, and nothing of what a digit
#   is.

# %%
uniform = np.log2(digits.bins)
counts = (train[..., None] == np.arange(digits.bins)).sum(axis=0) + 1  # none has probability 0
log_histogram = np.log2(counts / counts.sum(axis=-1, keepdims=True))
pixels = np.take_along_axis(log_histogram[None], test[..., None].astype(int), axis=-1)
histograms = -pixels.mean()

_, axes = plt.subplots(figsize=(6, 3))
axes.plot(history.epoch, history.history["bits_per_dimension"], label="training")
axes.plot(history.epoch, history.history["val_bits_per_dimension"], label="validation")
axes.axhline(uniform, color="gray", linestyle=":", label="uniform")
axes.axhline(histograms, color="gray", linestyle="--", label="a histogram a pixel")
axes.set(xlabel="epoch", ylabel="bits per dimension", ylim=(1.5, 4.5))
axes.locator_params(axis="x", integer=True)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## How likely is an image?
#
# `bits_per_dimension` and `log_prob` (in nats, of the whole image) answer for each image. On test
# images:

# %%
bits = model.bits_per_dimension(test, draws=16)
error = bits.std() / np.sqrt(len(bits))
print(f"uniform              {uniform:.2f} bits/dim")
print(f"a histogram a pixel  {histograms:.2f} bits/dim")
print(f"the flow             {bits.mean():.2f} ± {error:.2f} bits/dim")

# %% [markdown]
# What are the 16 `draws`? A flow has a density, and a whole number has a probability. The model
# goes from one to the other by **dequantisation**: it adds noise from [0, 1) to every intensity.
# What it says of the image is then a lower bound on the log-probability, and what several draws say
# together is a tighter one. The noise is a function of the image and the seed, so the same image
# has the same answer every time.

# %%
for draws in (1, 4, 16):
    print(f"{draws:2} draws: {model.log_prob(test, draws=draws).mean():.2f} nats an image")

# %% [markdown]
# The likeliest and the least likely digits of the test set:

# %%
order = np.argsort(bits)
show(test[order[:12]], 12, "fewest bits per dimension")
show(test[order[-12:]], 12, "most bits per dimension")

# %% [markdown]
# ## Which pixels make it so?
#
# The flows of this package keep their log-determinants apart, dimension by dimension.
# `event_log_prob` gives every pixel its share of the log-probability. The shares add up to
# `log_prob`, exactly.

# %%
chosen = test[np.r_[order[:5], order[-5:]]]
shares = model.event_log_prob(chosen)
print("sum of shares equals log_prob:", np.allclose(shares.sum((1, 2, 3)), model.log_prob(chosen)))

figure, panels = plt.subplots(2, 10, figsize=(10, 2.3), layout="constrained")
for (above, below), image, share in zip(panels.T, chosen, shares, strict=True):
    above.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=digits.bins - 1)
    drawn = below.imshow(share[..., 0], cmap="viridis", vmin=-6, vmax=1)
    above.set_axis_off()
    below.set_axis_off()
figure.suptitle("five likely digits, five unlikely ones, and their pixels", fontsize=10)
figure.colorbar(drawn, ax=panels, label="nats", extend="both")
plt.show()

# %% [markdown]
# ## Draw another
#
# Sampling is noise through the inverse. The same seed gives the same images. `temperature` scales
# the noise: below one, samples are more typical and less varied.

# %%
for temperature in (1.0, 0.7):
    samples = model.sample(32, seed=1, temperature=temperature)
    show(samples, 16, f"samples, temperature {temperature}")

# %% [markdown]
# ## What lies between these two?
#
# `encode` gives an image its noise and `decode` takes it back, without loss. Straight lines in
# noise space are walks between images; `interpolate` does all of it in one call.

# %%
z = model.encode(test)
there_and_back = model.decode(z)
print(f"largest error of the round trip: {np.abs(there_and_back - (test + 0.5)).max():.1e} of 17")
walks = model.interpolate(test[:3], test[3:6], steps=12)
show(walks.reshape(-1, 8, 8, 1), 12, "from the left digit to the right one")

# %% [markdown]
# ## It is a Keras model, and a TensorFlow Probability distribution
#
# Saving and loading are Keras':

# %%
file = Path(tempfile.mkdtemp()) / "digits.keras"
model.save(file)
again = keras.saving.load_model(file)
print("the loaded model agrees:", np.allclose(again.log_prob(test[:8]), model.log_prob(test[:8])))

# %% [markdown]
# `model.distribution` is a `tfd.TransformedDistribution` over continuous intensities, and its
# bijector is the flow. Whatever takes a distribution takes this one: joint distributions,
# variational inference, Markov chains.

# %%
distribution = model.distribution
print(isinstance(distribution, tfp.distributions.TransformedDistribution))
print(distribution.event_shape, distribution.log_prob(test[:2] + 0.5).numpy())

# %% [markdown]
# ## Where to go from here
#
# - [Your own folder](your_own_folder.py): train on files, find the odd ones, serve the model.
# - [LCMA step by step](lcma_step_by_step.py): which dimensions are factored out, and how the data
#   decide.
# - [Classes](classes_and_bayes.py): draw a seven, and ask which digit it is.
# - [Callbacks and TensorBoard](callbacks_and_tensorboard.py): longer trainings.
