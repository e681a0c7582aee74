"""One comparison at several lengths of training, by a plan that is written down beforehand."""
