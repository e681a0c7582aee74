"""Training runs: from images to a trained, exported model."""
