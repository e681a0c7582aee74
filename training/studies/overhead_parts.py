"""The parts whose cost in time `overheads` measures, known without importing TensorFlow."""

_OVERHEADS = "tfp_lcma.training.studies.overheads"

PARTS = {
    "collecting": f"{_OVERHEADS}:collecting_statistics",
    "online-splits": f"{_OVERHEADS}:online_splits",
    "shuffles": f"{_OVERHEADS}:shuffles",
    "exits": f"{_OVERHEADS}:exits",
    "batching": f"{_OVERHEADS}:batching",
    "validation": f"{_OVERHEADS}:validation",
    "serving": f"{_OVERHEADS}:serving",
}
