"""A seed for what layers start from."""

import random


def seed_initializers(seed: int) -> None:
    """Makes layers that are built from here on start alike.

    Keras draws the seeds of their initialisers from Python's own generator, which is all that
    tests need. `keras.utils.set_random_seed` sets TensorFlow's seed too, which forgets the kernels
    of all operations: the next thousands of them each make one anew.
    """
    random.seed(seed)
