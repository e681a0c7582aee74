"""Trained models as versioned SavedModels that TensorFlow Serving loads, batches and warms up."""

from tfp_lcma.serving.export import export_saved_model
from tfp_lcma.serving.server_config import write_serving_config

__all__ = ["export_saved_model", "write_serving_config"]
