"""Which images a flow finds anomalous: scores of images and maps of pasted patches, by ROC-AUC."""
