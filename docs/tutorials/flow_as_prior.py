# %% [markdown]
# # A flow as a prior in TensorFlow Probability
#
# A trained flow is a `tfd.Distribution` over images, with an exact log-density that has a
# gradient. So it is a prior wherever TFP takes one. On this page it fills in pixels that are
# hidden (HMC), cleans noisy images (MAP, and HMC in a `JointDistribution` whose noise level is
# unknown), and a second flow learns a posterior (variational inference). For the first two there
# is a figure beside the picture, against a Gaussian prior that is fitted to the same images.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

import tfp_lcma as lcma
from tfp_lcma.training.data import load

tfb, tfd = tfp.bijectors, tfp.distributions

keras.utils.set_random_seed(0)
digits = load("digits")  # 8x8, intensities 0 to 16
model = lcma.FlowModel(
    lcma.models.glow(digits.event_shape, levels=2, steps=4, width=32), bins=digits.bins
)
epochs, batch_size = 80, 128
steps = epochs * -(-len(digits.train.images) // batch_size)
model.compile(optimizer=lcma.models.recommended_optimizer("glow", steps=steps))
model.fit(digits.train.images, epochs=epochs, batch_size=batch_size, verbose=0)
bits = model.bits_per_dimension(digits.test.images, draws=4)
print(f"{bits.mean():.2f} bits per dimension on test images")

# %% [markdown]
# ## In which coordinates
#
# `model.distribution` is the density of intensities, which lie between 0 and 17. A sampler would
# rather have no bounds. `model.preprocessing` maps intensities to the flow's domain, all of
# $\mathbb{R}^{8 \times 8}$ (a logit), and `FlowDistribution(model.flow)` is the density there.
# Everything below happens in that domain; the map is elementwise, so hidden pixels there are
# hidden pixels here.
#
# The Gaussian prior is fitted in the same domain. Intensities are whole numbers, and both priors
# are of continuous ones: noise from [0, 1) is added, as in training.

# %%
prior = lcma.FlowDistribution(model.flow)
log_prob = tf.function(prior.log_prob, autograph=False)  # traced once for all samplers
random = np.random.default_rng(0)


def continuous(images):
    """Takes whole intensities to the flow's domain."""
    return model.preprocessing.inverse((images + random.random(images.shape)).astype("float32"))


def intensities(x):
    """Takes points of the flow's domain back to intensities."""
    return model.preprocessing.forward(x)


fitted = np.concatenate([continuous(digits.train.images) for _ in range(8)]).reshape(-1, 64)
mean, covariance = fitted.mean(axis=0), np.cov(fitted.T)
truth = continuous(digits.test.images[:24])

# %% [markdown]
# ## Hidden pixels, by HMC
#
# The lower halves of 24 test images are hidden. Under the Gaussian, what is hidden given what is
# visible is a Gaussian again, in closed form: that is the baseline.

# %%
visible, hidden = truth[:, :4], truth[:, 4:]  # [24, 4, 8, 1] each
v, h = slice(0, 32), slice(32, 64)
gain = covariance[h, v] @ np.linalg.inv(covariance[v, v])
center = mean[h] + (visible.numpy().reshape(-1, 32) - mean[v]) @ gain.T
scale = np.linalg.cholesky(covariance[h, h] - gain @ covariance[v, h])
# 24 Gaussians over 32 numbers each, alike but for their means.
gaussian = tfd.MultivariateNormalTriL(center.astype("float32"), scale.astype("float32"))

# %% [markdown]
# Under the flow it is whatever it is: known up to a constant, as the density of the whole image.
# That is what HMC asks for. Eight chains run for each image. The Gaussian's scales are their
# coordinates (`TransformedTransitionKernel`), so that one step size fits all, and they start at
# the eight of 64 samples of the Gaussian that the flow finds most probable: a chain that starts
# where the flow has next to no density may never leave.


# %%
def of_whole(hidden):
    """log p(visible, hidden) under the flow, of hidden pixels `[chains, 24, 32]`."""
    lower = tf.reshape(hidden, (-1, *visible.shape))
    upper = tf.broadcast_to(visible, tf.shape(lower))
    return log_prob(tf.concat([upper, lower], axis=-3))


def kernel(target, step_size, leapfrog_steps):
    hmc = tfp.mcmc.HamiltonianMonteCarlo(target, step_size, leapfrog_steps)
    return tfp.mcmc.TransformedTransitionKernel(hmc, gaussian.bijector)


@tf.function(autograph=False)
def sample(start):
    """Runs chains; returns where they end and the step size."""
    adapted = tfp.mcmc.DualAveragingStepSizeAdaptation(kernel(of_whole, 0.1, 6), 120)
    end, step_size = tfp.mcmc.sample_chain(
        num_results=1,
        current_state=start,
        kernel=adapted,
        num_burnin_steps=160,
        trace_fn=lambda _, results: results.new_step_size,
        seed=(1, 1),
    )
    return end[0], step_size[0]


candidates = gaussian.sample(64, seed=(1, 2))
best = np.argsort(-of_whole(candidates), axis=0)[:8, :, None]
start = np.take_along_axis(candidates.numpy(), best, axis=0)  # [chains, images, pixels]
chains, step_size = sample(start)

# %%
shown = 12
rows = {
    "truth": truth[:shown],
    "Gaussian": tf.concat(
        [visible[:shown], tf.reshape(gaussian.sample(seed=(1, 3)), visible.shape)[:shown]], axis=1
    ),
}
for chain in range(4):
    lower = tf.reshape(chains[chain], visible.shape)
    rows[f"flow, chain {chain + 1}"] = tf.concat([visible, lower], axis=1)[:shown]


def show(rows):
    """Shows rows of images with their names."""
    _, axes = plt.subplots(len(rows), 1, figsize=(8, 0.62 * len(rows)), layout="constrained")
    for axis, (name, images) in zip(axes, rows.items(), strict=True):
        tiles = np.pad(images.numpy()[..., 0], ((0, 0), (0, 0), (0, 1)))
        axis.imshow(np.hstack(list(tiles)), cmap="gray_r", vmin=0, vmax=digits.bins - 1)
        axis.set(xticks=[], yticks=[], frame_on=False)
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
    return axes


for axis in show({name: intensities(x) for name, x in rows.items()})[1:]:
    axis.axhline(3.5, color="tab:orange", linewidth=1)  # below it pixels are hidden
plt.show()

# %% [markdown]
# ### How good are they?
#
# The score is $\log p(\text{hidden} \mid \text{visible})$ at the pixels that were really there:
# the higher, the less surprised a prior is by the truth. A change of coordinates shifts it by the
# same number for both priors, so their difference is that of intensities too. For the flow it is
#
# $$
# \log p(\text{visible}, \text{hidden}) - \log Z, \qquad
# Z = \int p(\text{visible}, \text{hidden}') \, d\,\text{hidden}'
# $$
#
# of which the first term is exact. $\log Z$ is estimated by annealed importance sampling, twice.
# From the Gaussian to the flow, starting from exact samples, the estimate is too low on average;
# from the flow to the Gaussian, starting from the chains' ends, too high, as far as the chains
# have converged. The flow's score then lies between the two, and the cautious figure is that of
# the higher $\log Z$.


# %%
@tf.function(autograph=False)
def log_ratio(start, of_start, of_end, seed):
    """log of the integral at the end over that at the start, for each image."""
    _, weights, _ = tfp.mcmc.sample_annealed_importance_chain(
        num_steps=150,
        proposal_log_prob_fn=of_start,
        target_log_prob_fn=of_end,
        current_state=start,
        make_kernel_fn=lambda target: kernel(target, step_size, 3),
        seed=seed,
    )
    return tfp.math.reduce_logmeanexp(weights, axis=0)


too_low = log_ratio(gaussian.sample(8, seed=(1, 4)), gaussian.log_prob, of_whole, (1, 5))
too_high = -log_ratio(chains, of_whole, gaussian.log_prob, (1, 6))

# %%
flat = tf.reshape(hidden, (-1, 32))
of_gaussian, of_flow = gaussian.log_prob(flat), of_whole(flat[None])[0]


def with_error(values):
    """Mean over images and its standard error."""
    return f"{np.mean(values):6.2f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.2f}"


print("log p(hidden | visible) of the truth, nats for 32 pixels, mean of 24 images")
print("  Gaussian              ", with_error(of_gaussian))
print("  flow, log Z too high  ", with_error(of_flow - too_high))
print("  flow, log Z too low   ", with_error(of_flow - too_low))
print("flow - Gaussian, image by image")
print("  log Z too high        ", with_error(of_flow - too_high - of_gaussian))
print("  log Z too low         ", with_error(of_flow - too_low - of_gaussian))

# %% [markdown]
# ## Noisy images, by MAP and by HMC
#
# Now every pixel is seen, under noise. How a photograph came about is a `JointDistribution`, and
# the flow is one line of it. The noise level is unknown and has a prior too.


# %%
def photographed(digit, noise):
    return tfd.Independent(tfd.Normal(intensities(digit), noise[..., None, None, None]), 3)


scene = tfd.JointDistributionNamed(
    {"digit": prior, "noise": tfd.HalfNormal(5.0), "photo": photographed}
)
noise = 4.0
photos = intensities(truth) + noise * tf.random.stateless_normal(truth.shape, (2, 1))
posterior = scene.experimental_pin(photo=photos)

# %% [markdown]
# The baseline is Wiener's filter: the posterior mean under a Gaussian of intensities, which is
# given the true noise level.

# %%
pixels = intensities(fitted.reshape(-1, 8, 8, 1)).numpy().reshape(-1, 64)
average, spread = pixels.mean(axis=0), np.cov(pixels.T)
filter_ = spread @ np.linalg.inv(spread + noise**2 * np.eye(64))
of_filter = average + (photos.numpy().reshape(-1, 64) - average) @ filter_.T
of_filter = tf.constant(of_filter.reshape(truth.shape).clip(0.1, digits.bins - 0.1), tf.float32)

# %% [markdown]
# The most probable digit under the flow, at the true noise level too, by Adam, for 24 photographs
# at once, from the filter's answers on. Again the Gaussian's scales are the coordinates, now
# those of all 64 pixels. (The level cannot be found that way: a digit that equals its photograph
# has a finite density, and the photograph's grows without bound as the noise goes to zero.)
#
# `trainable_variables` says what is looked for. Without it TFP's optimisers move every variable
# that they meet, the prior's weights among them.

# %%
coordinates = tfd.MultivariateNormalTriL(
    mean.astype("float32"), np.linalg.cholesky(covariance).astype("float32")
).bijector


def of_scene(flat, level):
    digit = tf.reshape(flat, (-1, 8, 8, 1))
    return posterior.unnormalized_log_prob(digit=digit, noise=level)


def energy():
    return -tf.reduce_sum(of_scene(coordinates.forward(point), tf.fill([24], noise)))


start = tf.reshape(model.preprocessing.inverse(of_filter), (24, 64))
point = tf.Variable(coordinates.inverse(start))
energies = tfp.math.minimize(
    energy,
    num_steps=120,
    optimizer=tf_keras.optimizers.Adam(0.02),
    trainable_variables=[point],
)
of_map = coordinates.forward(tf.identity(point))
print(f"energy an image: {energies[0] / 24:.1f} at first, {energies[-1] / 24:.1f} in the end")

# %% [markdown]
# The mean over the posterior, by HMC over digits and noise levels together: what the level is,
# HMC is not told.


# %%
@tf.function(autograph=False)
def clean(flat, level):
    hmc = tfp.mcmc.HamiltonianMonteCarlo(of_scene, step_size=0.05, num_leapfrog_steps=8)
    kernel = tfp.mcmc.TransformedTransitionKernel(hmc, [coordinates, tfb.Exp()])
    return tfp.mcmc.sample_chain(
        num_results=120,
        current_state=[flat, level],
        kernel=tfp.mcmc.DualAveragingStepSizeAdaptation(kernel, 60),
        num_burnin_steps=100,
        trace_fn=None,
        seed=(2, 2),
    )


cleaned, levels = clean(start, tf.fill([24], 6.0))
cleaned = intensities(tf.reshape(cleaned, (-1, 24, 8, 8, 1)))
print(f"noise level: {noise} in truth, {tf.reduce_mean(levels):.2f} by HMC, which began at 6")

# %%
results = {
    "noisy": photos,
    "Wiener": of_filter,
    "flow, MAP": intensities(tf.reshape(of_map, truth.shape)),
    "flow, mean": tf.reduce_mean(cleaned, axis=0),
}
show({name: x[:shown] for name, x in {"truth": intensities(truth), **results}.items()})
plt.show()
print("root mean squared error, intensities, mean of 24 images")
for name, images in results.items():
    error = tf.sqrt(tf.reduce_mean((images - intensities(truth)) ** 2, axis=(1, 2, 3)))
    print(f"  {name:12}", with_error(error))

# %% [markdown]
# The filter is made for squared error and is given the level; HMC had to find it, with one chain a
# photograph. What HMC has beside a mean is the whole posterior, of digits and of levels.

# %% [markdown]
# ## A posterior that is a flow, by variational inference
#
# A flow can stand on the other side as well: as the family of posteriors. What is hidden of the
# first image is 4×8 pixels, an image like any other, so a small flow on that shape goes through
# `tfb.Chain` and `fit_surrogate_posterior` as it is. It is put behind the Gaussian's coordinates,
# as HMC was, and starts narrow: far from all digits the prior's density falls steeply. The
# evidence lower bound that it reaches is a bound on the same $\log Z$ as above; beside it that of
# independent Gaussians in these coordinates.

# %%
first = tfb.Chain(
    [
        tfb.Shift(gaussian.loc[0]),
        tfb.ScaleMatvecTriL(scale.astype("float32")),
        tfb.Reshape((32,), (4, 8, 1)),
    ]
)
noise_of_hidden = tfd.Sample(tfd.Normal(0.0, 1.0), (4, 8, 1))
flow = lcma.models.glow((4, 8, 1), levels=2, steps=2, width=16)
location = tf.Variable(tf.zeros((4, 8, 1)))
deviation = tfp.util.TransformedVariable(tf.fill((4, 8, 1), 0.3), tfb.Softplus())
families = {
    "independent": tfb.Chain([first, tfb.Shift(location), tfb.Scale(deviation)]),
    "flow": tfb.Chain([first, tfb.Scale(0.3), flow]),
}


def of_first(hidden):
    """log p(visible, hidden) of the first image, of hidden pixels `[draws, 32]`."""
    lower = tf.reshape(hidden, (-1, 4, 8, 1))
    upper = tf.broadcast_to(visible[:1], tf.shape(lower))
    return log_prob(tf.concat([upper, lower], axis=1))


bounds, surrogates = {}, {}
for name, bijector in families.items():
    surrogate = tfd.TransformedDistribution(noise_of_hidden, bijector)
    bounds[name] = -tfp.vi.fit_surrogate_posterior(
        of_first,
        surrogate,
        optimizer=tf_keras.optimizers.Adam(0.01),
        num_steps=200,
        sample_size=16,
        trainable_variables=surrogate.trainable_variables,
        seed=(3, 1),
    )
    surrogates[name] = surrogate
    print(f"{name:12} bound on log Z: {np.mean(bounds[name][-50:]):.2f} nats")
print(f"annealing    log Z between {too_low[0]:.2f} and {too_high[0]:.2f} nats")

# %%
posteriors = {"HMC": chains[:, 0]}
for name, surrogate in surrogates.items():
    posteriors[name] = surrogate.sample(8, seed=(3, 2))
upper = tf.broadcast_to(visible[:1], (8, 4, 8, 1))
whole = {
    name: tf.concat([upper, tf.reshape(lower, (8, 4, 8, 1))], axis=1)
    for name, lower in posteriors.items()
}
show({name: intensities(x) for name, x in whole.items()})
plt.show()
