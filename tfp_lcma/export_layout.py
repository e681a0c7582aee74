"""What is where in an export, for those who write one and those who serve one."""

# Beside the SavedModel, within a version.
MODEL_CARD = "assets.extra/model.json"
CHECKSUMS = "assets.extra/SHA256SUMS"
WARM_UP = "assets.extra/tf_serving_warmup_requests"
# Rows of one request; more than one batch of them are computed in several.
MAX_ROWS = 1024
# TensorFlow Serving reads versions as int64.
LARGEST_VERSION = 2**63 - 1


def version_number(name: str) -> int | None:
    """Returns the version that a folder of this name holds; None if a server would pass it over."""
    if not (name.isascii() and name.isdecimal()) or int(name) > LARGEST_VERSION:
        return None
    return int(name)
