"""How close samples come to real images: FID and KID on the features of a small classifier.

    extractor = load_or_train("runs/study/classifier.keras", dataset)
    sample_quality(extractor, model.sample(2000), dataset.test.images)

The customary features come from an Inception network, for photographs of 299x299. These come from
a classifier of the very training images, so a figure can be compared with others that were taken
with the same extractor and equally many images, and with nothing else.
"""

import numpy as np

from tfp_lcma.training.studies.quality.classifier import load_or_train, train_classifier
from tfp_lcma.training.studies.quality.distances import frechet_distance, kernel_distance
from tfp_lcma.training.studies.quality.extractor import FeatureExtractor, features, load_extractor

__all__ = [
    "FeatureExtractor",
    "features",
    "frechet_distance",
    "kernel_distance",
    "load_extractor",
    "load_or_train",
    "sample_quality",
    "train_classifier",
]


def sample_quality(extractor: FeatureExtractor, samples: np.ndarray, reference: np.ndarray) -> dict:
    """Returns `fid` and `kid` of samples against real images, and the `samples` and `reference`.

    The smaller the sets, the larger is FID even for perfect samples: keep their sizes when you
    compare. KID does not depend on them but for its noise.

    Args:
        extractor: the network both go through.
        samples: drawn images, as `features` takes them.
        reference: real images; where the sides of a data set may show different things, as
            those of a folder, training images.
    """
    of_samples, of_reference = features(extractor, samples), features(extractor, reference)
    return {
        "fid": frechet_distance(of_samples, of_reference),
        "kid": kernel_distance(of_samples, of_reference),
        "samples": len(samples),
        "reference": len(reference),
    }
