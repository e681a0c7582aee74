"""A study's folder as runs leave it, made up: tests of the report know what is in it."""

import json

import numpy as np

from tfp_lcma.factorizations import LogDetStatistics
from tfp_lcma.training.reports import pictures
from tfp_lcma.training.runs.settings import keep_settings
from tfp_lcma.training.studies.results import ResultsFile

SETTINGS = {
    "name": "digits", "source": "digits", "model": "real_nvp",
    "flow": {"levels": 2, "width": 8, "blocks": 1}, "steps": 600,
    "pretrain_steps": 300, "batch_size": 32, "draws": 4, "event_shape": [4, 4, 1], "bins": 17,
    "comparison": "splits", "images": [1297, 200, 300], "clusters": [None, None, None],
}  # fmt: skip
# Validation bits/dim by seed: LCMA is worse by 0.10 ± 0.01, Haar better by 0.20 ± 0.01.
BITS = {
    "checkerboard": [2.00, 2.10, 2.30],
    "lcma": [2.10, 2.18, 2.42],
    "complement": [2.00, 2.11, 2.29],
    "haar": [1.80, 1.92, 2.08],
    "karhunen-loeve": [1.85, 1.96, 2.15],
    "no-split": [1.70, 1.80, 2.00],
}
_PAIRS = {"checkerboard": [0, 0, 4, 0, 0, 0], "complement": [0, 0, 0, 4, 0, 0]}
_COST = {"training_seconds": 30.0, "collecting_seconds": 6.0}


def result(arm, seed, bits):
    """One line of the results file."""
    pairs = _PAIRS.get(arm, [0, 0, 1, 3, 0, 0] if arm == "lcma" else None)
    return {
        "arm": arm,
        "seed": seed,
        "command": "tfp-lcma compare --data digits",
        "steps": 600,
        "parameters": 1000,
        "seconds": 60.0,
        "step_seconds": 0.1,
        "validation": {"bits_per_dimension": bits, "standard_error": 0.01},
        "sample_milliseconds": 2.5,
        "quality": {"fid": 10.0 + seed, "kid": 0.25, "samples": 1297, "reference": 200},
        "history": [{"step": s, "val_bits_per_dimension": bits + 1 / s} for s in (200, 600)],
        "model": f"models/{arm}-{seed}.keras",
        "pairs": pairs and [[pairs]],
        "pretraining": _COST if arm in ("lcma", "karhunen-loeve") else None,
    }


def make_study(folder, seeds=3, **settings):
    """Writes everything that a report reads."""
    keep_settings(folder, SETTINGS | settings)
    exchange = {"step_ratio": 1.5, "low": 1.4, "high": 1.6, "collecting": 15.0, "steps": 360.0}
    (folder / "exchange.json").write_text(json.dumps(exchange))
    results = ResultsFile(folder / "results.jsonl")
    for arm, bits in BITS.items():
        for seed in range(seeds):
            results.append(result(arm, seed, bits[seed]))
        for ending in ("samples", "exit-map"):
            path = folder / "pictures" / f"{arm}-0-{ending}.png"
            pictures.save_image_grid(path, np.full((4, 4, 4, 1), 9, np.uint8), bins=17)
    random = np.random.default_rng(0)
    index = np.arange(16).reshape(4, 4, 1)
    LogDetStatistics(
        log_det=random.normal(size=(2, 4, 4, 1)),
        mean=np.zeros((2, 4, 4, 1)),
        variance=np.ones((2, 4, 4, 1)),
        log_density=random.normal(size=(4, 4, 1)),
        level_index=(index, index.reshape(2, 2, 4)),
        block_covariance=(np.tile(0.5 + 0.5 * np.eye(4), (2, 2, 1, 1)),),
        activations=(random.normal(size=(3, 4, 4, 1)),),
        count=3,
    ).save(folder / "statistics" / "seed-0-plain.npz")
    return folder
