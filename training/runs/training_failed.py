"""The error of a training that cannot go on."""


class TrainingFailedError(RuntimeError):
    """Training met a loss that is not a number."""
