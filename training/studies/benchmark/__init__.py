"""The benchmark: this package's flows beside those of other libraries, in time and memory."""
