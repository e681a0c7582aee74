# %% [markdown]
# # Classes: drawing them, and classifying by Bayes' rule
#
# A conditional flow has one density for each class, p(x | class), in one network that is given the
# class. It can draw an image of a class that you choose. By Bayes' rule, it is a classifier as
# well:
#
# $$
# P(\text{class} \mid x) =
# \frac{p(x \mid \text{class}) \, P(\text{class})}{\sum_k p(x \mid k) \, P(k)}
# $$
#
# This page does both on 8×8 digits, and then what an ordinary classifier cannot do: notice an image
# that belongs to no class.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

import tfp_lcma as lcma
from tfp_lcma.training.data import load

digits = load("digits", labels=True)
train, validation, test = digits.train, digits.validation, digits.test
print("images of each class:", np.bincount(train.labels))

# %% [markdown]
# ## A conditional model
#
# `conditions=10` says that the condition is one of ten classes, numbered from 0. (A shape such as
# `conditions=(3,)` says that it is a vector of three numbers.) Couplings and exit priors then
# depend on it. The flow here is Glow with three levels: after the last of them a digit has come
# down to one position, whose channels are Gaussian with a mean and a scale for each class. Labels
# go into `fit` as Keras has them: the second argument, or the second entry of a `tf.data.Dataset`'s
# batches.

# %%
keras.utils.set_random_seed(0)
flow = lcma.models.glow((8, 8, 1), conditions=10, levels=3, steps=4, width=48)
model = lcma.FlowModel(flow, bins=digits.bins)
epochs, batch_size = 25, 64
steps = epochs * -(-len(train.images) // batch_size)
model.compile(optimizer=lcma.models.recommended_optimizer("glow", steps=steps))
history = model.fit(
    train.images,
    train.labels,
    validation_data=(validation.images, validation.labels),
    epochs=epochs,
    batch_size=batch_size,
    verbose=0,
)

_, axes = plt.subplots(figsize=(6, 3))
axes.plot(history.history["bits_per_dimension"], label="training")
axes.plot(history.history["val_bits_per_dimension"], label="validation")
axes.set(xlabel="epoch", ylabel="bits per dimension, given the class", ylim=(1.5, 4.1))
axes.locator_params(axis="x", integer=True)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Drawing a class
#
# `sample` takes one condition for all images, or one for each. The noise of a seed is the same for
# every class, so each column below shows the same noise as ten digits.

# %%
rows = [model.sample(12, condition=digit, seed=1, temperature=0.8) for digit in range(10)]

picture = np.vstack([np.hstack(np.pad(row[..., 0], ((0, 0), (1, 1), (1, 1)))) for row in rows])
_, axes = plt.subplots(figsize=(7, 6))
axes.imshow(picture, cmap="gray_r", vmin=0, vmax=digits.bins)
axes.set(xticks=[], yticks=10 * np.arange(10) + 4.5, yticklabels=range(10))
axes.set(ylabel="condition", title="samples, one class a row")
axes.tick_params(length=0)
axes.spines[:].set_visible(False)
plt.show()

# %% [markdown]
# A column that hardly changes from row to row is noise that decides the digit by itself: after so
# short a training the flow has learned the classes in part.
#
# Noise and class are apart, so one can be changed without the other: `encode` an image with its
# class and `decode` the noise with another.

# %%
images, labels = test.images[:6], test.labels[:6]
z = model.encode(images, labels)
rewritten = [model.decode(z, digit) for digit in range(10)]

_, panels = plt.subplots(6, 11, figsize=(8, 4.6))
for line, image, others in zip(panels, images, np.stack(rewritten, axis=1), strict=True):
    for axes, shown in zip(line, [image, *others], strict=True):
        axes.imshow(shown[..., 0], cmap="gray_r", vmin=0, vmax=digits.bins)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
for axes, title in zip(panels[0], ["test image", *map(str, range(10))], strict=True):
    axes.set_title(title, fontsize=9)
plt.show()

# %% [markdown]
# ## Which class is it?
#
# `class_probabilities` asks for the density under every class and applies Bayes' rule, with equal
# P(class) unless `prior=` says otherwise. Beside it, a classifier that was trained for nothing
# else: scikit-learn's logistic regression.

# %%
probabilities = model.class_probabilities(test.images, draws=4)
correct = probabilities.argmax(axis=1) == test.labels
print(f"flow, by Bayes' rule:  {correct.mean():.1%} of {len(correct)} test images right")

logistic = LogisticRegression(max_iter=2000, C=0.1)
logistic.fit(train.images.reshape(-1, 64), train.labels)
theirs = logistic.predict_proba(test.images.reshape(-1, 64))
print(f"logistic regression:   {(theirs.argmax(axis=1) == test.labels).mean():.1%}")

# %% [markdown]
# A flow is not trained to tell classes apart, and need not be better at it. What it gives is a
# density. The difference of two classes' log-densities is the evidence for one over the other, and
# `event_log_prob` says which pixels it comes from. Here is that for the test image about which the
# model is least certain:

# %%
doubtful = np.argmin(probabilities.max(axis=1))
image = test.images[doubtful : doubtful + 1]
first, second = np.argsort(-probabilities[doubtful])[:2]
evidence = (model.event_log_prob(image, first) - model.event_log_prob(image, second))[0, ..., 0]

figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(9, 2.6), width_ratios=(1, 1.6, 1.25), layout="constrained"
)
left.imshow(image[0, ..., 0], cmap="gray_r", vmin=0, vmax=digits.bins)
left.set(xticks=[], yticks=[], title=f"labelled {test.labels[doubtful]}")
middle.bar(range(10), probabilities[doubtful])
middle.set(xticks=range(10), xlabel="class", ylabel="probability", ylim=(0, 1))
limit = np.abs(evidence).max()
drawn = right.imshow(evidence, cmap="RdBu", vmin=-limit, vmax=limit)
right.set(xticks=[], yticks=[], title=f"evidence for {first} (blue)\nover {second} (red)")
figure.colorbar(drawn, ax=right, label="nats")
plt.show()

# %% [markdown]
# ## Is it any of them?
#
# A classifier divides all images among its classes, also those that belong to none. A density can
# say that it has seen nothing of the kind: p(x), the mean of p(x | class) over the classes, is
# small. Four kinds of image to try, each made of the test digits: upside down, in negative, their
# pixels shuffled, and two digits laid over each other.

# %%
random = np.random.default_rng(0)
some = test.images
kinds = {
    "digits": some,
    "upside down": some[:, ::-1],
    "negative": (digits.bins - 1 - some).astype(np.uint8),
    "shuffled": random.permuted(some.reshape(-1, 64), axis=1).reshape(some.shape),
    "two at once": np.maximum(some, some[::-1]),
}


def bits_of(images):
    """Returns -log2 p(x) per dimension, with p(x) the mean over the classes."""
    by_class = np.stack([model.log_prob(images, digit) for digit in range(10)])
    return -(np.logaddexp.reduce(by_class, axis=0) - np.log(10)) / (64 * np.log(2))


bits = {name: bits_of(images) for name, images in kinds.items()}
limit = np.quantile(bits_of(validation.images), 0.95)
print(f"limit, which 95% of validation digits stay below: {limit:.2f} bits/dim\n")
print("kind         beyond the limit   logistic regression is 90% sure of a class")
for name, images in kinds.items():
    sure = logistic.predict_proba(images.reshape(-1, 64)).max(axis=1) > 0.9
    print(f"{name:12} {np.mean(bits[name] > limit):10.0%}  {sure.mean():18.0%}")

# %%
_, axes = plt.subplots(figsize=(7, 3))
axes.boxplot(list(bits.values()), orientation="horizontal", tick_labels=list(bits), sym=".")
axes.axvline(limit, color="black", linestyle="--", linewidth=1)
axes.invert_yaxis()
axes.set(xscale="log", xlabel="bits per dimension (dashed: the limit)")
plt.show()

# %% [markdown]
# Likelihoods have blind spots of their own: images that are *simpler* than the training images,
# such as blank ones, are likely. [Anomaly scores](../how_to/anomaly_scores.md) says what to do
# about it.
#
# ## Priors that are not equal
#
# Where classes are not equally frequent, say so when you ask; nothing is trained again.

# %%
prior = np.full(10, 0.02)
prior[first], prior[second] = 0.02, 0.82
for name, given in (("equal", None), (f"82% are {second}", prior)):
    answer = model.class_probabilities(image, prior=given, draws=4)[0]
    print(f"prior {name:12}  P({first}) = {answer[first]:.2f}, P({second}) = {answer[second]:.2f}")
