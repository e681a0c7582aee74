# %% [markdown]
# # Callbacks and TensorBoard
#
# `FlowModel` is a `keras.Model`, so a training is watched, stopped and saved by Keras' callbacks.
# This page uses those that a flow needs most, adds this package's own, which draw pictures and
# follow the split, writes one, and reads back what TensorBoard would show.

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tfp_lcma as lcma
from tfp_lcma.training.data import load

digits = load("digits")
train, validation = digits.train.images, digits.validation.images
folder = Path(tempfile.mkdtemp())

keras.utils.set_random_seed(0)
flow = lcma.models.real_nvp((8, 8, 1), width=16, blocks=1)
model = lcma.FlowModel(flow, bins=digits.bins)
epochs, batch_size = 15, 64
steps = epochs * -(-len(train) // batch_size)
model.compile(optimizer=lcma.models.recommended_optimizer("real_nvp", steps=steps))

# %% [markdown]
# ## Keras' own
#
# The metric of a flow is `bits_per_dimension`, and `val_bits_per_dimension` on validation images.
# Keras cannot know that fewer bits are better: callbacks that compare need `mode="min"`.

# %%
best = {"monitor": "val_bits_per_dimension", "mode": "min"}
of_keras = [
    keras.callbacks.EarlyStopping(**best, patience=4, restore_best_weights=True),
    keras.callbacks.ModelCheckpoint(folder / "best.keras", **best, save_best_only=True),
    keras.callbacks.TensorBoard(folder / "logs", write_graph=False),
]

# %% [markdown]
# ## This package's own
#
# `ImageSummary` draws pictures for TensorBoard at the end of epochs. A picture is a function of the
# model that returns a uint8 array `[height, width, channels]`. Two that are worth looking at:
# samples, of the same noise every time, and the likelihood of some validation images, pixel by
# pixel.


# %%
def strip(images, low, high, colors):
    """Returns images of one channel side by side, enlarged, as uint8 [height, width, 3]."""
    pixels = np.hstack(images[..., 0]).repeat(8, axis=0).repeat(8, axis=1)
    shares = np.clip((pixels - low) / (high - low), 0, 1)
    return plt.get_cmap(colors)(shares, bytes=True)[..., :3]


def strip_of_samples(model):
    return strip(model.sample(12, seed=0, temperature=0.8), 0, digits.bins, "gray_r")


def strip_of_likelihoods(model):
    return strip(model.event_log_prob(validation[:12]), -6, 1, "viridis")


drawn = {"samples": strip_of_samples, "likelihoods": strip_of_likelihoods}
pictures = lcma.ImageSummary(folder / "logs" / "pictures", drawn, every=3)

# %% [markdown]
# `ChannelWatch` follows what the split does: how far the channels that are factored out are from
# Gaussian noise, and those that stay. (`LogDetCollector`, which gathers the statistics that LCMA
# goes by, is a callback too; it has [a page of its own](lcma_step_by_step.py).)

# %%
watch = lcma.ChannelWatch(validation, log_dir=folder / "logs" / "channels")

# %% [markdown]
# ## One of your own
#
# A callback has the model at hand, and with it everything that can be asked of a flow. This one
# asks after every epoch how likely the model finds digits and how likely the same digits upside
# down: a flow that learns what digits are should come to tell them apart. It writes the answers
# into the logs, which puts them into `history` and before the callbacks that come after it.


# %%
class UpsideDown(keras.callbacks.Callback):
    """Logs by how many bits per dimension images are likelier than upside down."""

    def __init__(self, images):
        super().__init__()
        self.images = images

    def on_epoch_end(self, epoch, logs=None):
        bits = self.model.bits_per_dimension(np.concatenate([self.images, self.images[:, ::-1]]))
        upright, turned = np.split(bits, 2)
        logs["val_upside_down"] = float(np.mean(turned - upright))


# %% [markdown]
# ## Train
#
# Order matters where one callback reads what another one logs: ours comes first. TensorBoard's
# `update_freq` stays at its default, an epoch: with a number of steps, Keras records its own
# epochs' curves only where that number divides the step.

# %%
history = model.fit(
    train,
    validation_data=(validation,),
    epochs=epochs,
    batch_size=batch_size,
    callbacks=[UpsideDown(validation), *of_keras, pictures, watch],
    verbose=0,
)

_, panels = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
panels[0].plot(history.history["bits_per_dimension"], label="training")
panels[0].plot(history.history["val_bits_per_dimension"], label="validation")
panels[0].set(title="bits per dimension")
panels[1].plot(history.history["val_upside_down"])
panels[1].set(title="upside down: bits per dimension more")
panels[2].plot([looks[0].leaving_entropy for looks in watch.history], label="factored out")
panels[2].plot([looks[0].staying_entropy for looks in watch.history], label="stays")
panels[2].set(title="minus negentropy, nats (0: Gaussian)")
for axes in panels:
    axes.set(xlabel="epoch")
    axes.locator_params(axis="x", integer=True)
    axes.title.set_fontsize(9)
for axes in (panels[0], panels[2]):
    axes.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# The checkpoint is a whole model:

# %%
saved = keras.saving.load_model(folder / "best.keras")
of_best = saved.evaluate(validation, return_dict=True, verbose=0)
print(f"least validation bits in the history: {min(history.history['val_bits_per_dimension']):.4f}")
print(f"of the saved model:                   {of_best['bits_per_dimension']:.4f}")

# %% [markdown]
# ## In TensorBoard
#
# In a terminal,
#
# ```
# tensorboard --logdir logs
# ```
#
# serves everything at `http://localhost:6006`: curves under *Scalars* (the learning rate is among
# them), pictures under *Images* with a slider for the epoch. In a notebook, `%load_ext tensorboard`
# and `%tensorboard --logdir logs` do the same.
#
# The event files can be read without it. This is what there is:

# %%
for logs in sorted({path.parent for path in (folder / "logs").rglob("events.*")}):
    events = EventAccumulator(str(logs), size_guidance={"tensors": 0}).Reload()
    print(logs.relative_to(folder))
    for tag in events.Tags()["tensors"]:
        print(f"    {tag}: {len(events.Tensors(tag))}")

# %% [markdown]
# And these are the pictures, as TensorBoard has them:

# %%
events = EventAccumulator(str(folder / "logs" / "pictures"), size_guidance={"tensors": 0}).Reload()
for tag in ("samples", "likelihoods"):
    looks = events.Tensors(tag)
    figure, panels = plt.subplots(
        len(looks), 1, figsize=(8, 0.8 * len(looks)), layout="constrained"
    )
    figure.suptitle(tag, fontsize=10)
    for axes, look in zip(panels, looks, strict=True):
        picture = tf.io.decode_png(look.tensor_proto.string_val[2]).numpy()
        axes.imshow(picture)
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(f"epoch {look.step}", rotation=0, ha="right", va="center", fontsize=8)
    plt.show()

# %% [markdown]
# ## What the optimiser does is Keras' as well
#
# Exponential moving averages of the weights, bounds on gradients and schedules are arguments of
# Keras' optimisers, and go with every flow.

# %%
rate = keras.optimizers.schedules.CosineDecay(
    0.0, decay_steps=steps - 20, warmup_target=1e-3, warmup_steps=20
)
optimizer = keras.optimizers.Adam(rate, global_clipnorm=50.0, use_ema=True, ema_momentum=0.99)
model.compile(optimizer=optimizer)
more = model.fit(
    train,
    validation_data=(validation,),
    epochs=2,
    batch_size=batch_size,
    callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
    verbose=0,
)
print(f"averaged weights: {more.history['val_bits_per_dimension'][-1]:.4f} validation bits/dim")

# %% [markdown]
# `tfp-lcma train` writes TensorBoard's logs too, curves and pictures, into the run's folder:
# `tensorboard --logdir runs`.
