"""What the processor at hand can do."""

import os

import pytest

# TensorFlow asks oneDNN for bfloat16 by what the processor has, and dies or fails at the first
# convolution or matrix product if ONEDNN_MAX_CPU_ISA has taken it away.
BFLOAT16 = not os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper().startswith(("SSE", "AVX2"))

computes_in_bfloat16 = pytest.mark.skipif(
    not BFLOAT16, reason="ONEDNN_MAX_CPU_ISA leaves no convolutions in bfloat16"
)
