"""Small models of every kind, as users build them, in float32 and under networks of a policy."""

import functools

import keras
import numpy as np

import tfp_lcma as lcma
from tests.registry import random_scores
from tests.toys import pictures
from tfp_lcma import models
from tfp_lcma.factorizations import (
    Haar,
    LikelihoodContribution,
    OnlineLikelihoodContribution,
)
from tfp_lcma.testing.inputs import move_weights

SHAPE = (8, 8, 1)
IMAGES = pictures(96, SHAPE)
_REAL_NVP = {"levels": 2, "width": 8, "blocks": 1}
_GLOW = {"levels": 2, "steps": 2, "width": 8}
_ONE_STEP = {"levels": 1, "steps": 1, "width": 8}
_LOOPED = _GLOW | {"steps": 6, "unroll": False}
FLOWS = {
    "RealNVP": (models.real_nvp, _REAL_NVP),
    "RealNVP (LCMA)": (
        models.real_nvp,
        _REAL_NVP | {"factorization": LikelihoodContribution(random_scores(2, SHAPE))},
    ),
    "RealNVP (online LCMA)": (
        models.real_nvp,
        _REAL_NVP | {"factorization": OnlineLikelihoodContribution(decide_at=(2,))},
    ),
    "RealNVP (Haar)": (models.real_nvp, _REAL_NVP | {"factorization": Haar()}),
    "RealNVP (batch norm)": (
        models.real_nvp,
        _REAL_NVP | {"levels": 1, "normalization": "batch"},
    ),
    "Glow": (models.glow, _GLOW),
    "Glow (loops)": (models.glow, _LOOPED),
    "Glow (loops, by inversion)": (models.glow, _LOOPED | {"memory": "invert"}),
    "Glow (plain convolutions)": (models.glow, _GLOW | {"convolution": "plain"}),
    "Glow (mixture of logistics, gated)": (
        models.glow,
        _ONE_STEP | {"coupling": "mixture_logistic", "network": "gated"},
    ),
    "Glow (splines, transformer)": (
        models.glow,
        _ONE_STEP | {"coupling": "rational_quadratic", "network": "transformer"},
    ),
    "mAR-SCF": (
        models.mar_scf,
        {"levels": 2, "steps": 1, "width": 8, "blocks": 1, "hidden": 4},
    ),
    "EIW-Flow": (models.eiw_flow, _GLOW),
    "Jet (loops, by inversion)": (
        models.jet,
        {
            "patch": 2,
            "levels": 2,
            "couplings": 6,
            "width": 8,
            "blocks": 1,
            "unroll": False,
            "memory": "invert",
        },
    ),
    "residual flow": (models.residual_flow, _GLOW),
}


def flow_of(name, **options):
    """The flow alone, fresh."""
    make, own = FLOWS[name]
    return make(SHAPE, **own, **options)


def model(name, **options):
    """A model of the flow, started from the images, its weights moved a little."""
    keras.utils.set_random_seed(0)
    made = lcma.FlowModel(flow_of(name, **options))
    made.initialize(IMAGES)
    move_weights(made.flow, 0.02, seed=1)
    return made


@functools.cache
def kept(name):
    """One for all tests, which must not change it."""
    return model(name)


def losses(made, epochs=3, learning_rate=1e-3, **compiled):
    """Trains the model in a fixed order of batches; returns the loss of every epoch."""
    made.compile(keras.optimizers.Adam(learning_rate), **compiled)
    history = made.fit(IMAGES, epochs=epochs, batch_size=32, shuffle=False, verbose=0)
    return np.array(history.history["loss"])
