"""The floor has the convolutions of the flows, no more and no fewer."""

from collections import Counter

import numpy as np
import pytest

from tfp_lcma.training.studies.benchmark import floor_keras, floor_tensorflow, ours
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES
from tfp_lcma.training.studies.benchmark.floor import convolutions

CASES = ["tiny-glow", "tiny-real-nvp"]


def kernel_shapes(case):
    """Shapes of the floor's kernels, but for the 1x1 convolutions that are no network's."""
    chain = convolutions(case)
    if case.family == "glow":
        chain = [conv for n, conv in enumerate(chain) if n % 4 != 0]
    return Counter((conv.size, conv.size, conv.inputs, conv.outputs) for conv in chain)


@pytest.mark.parametrize("name", CASES)
def test_the_floor_has_the_very_kernels_of_ours(name):
    case = ALL_CASES[name]
    flow = ours.build_flow(case)
    exits = {id(v) for exit_ in flow.exits for layer in exit_.layers for v in layer.variables}
    found = Counter()
    for variable in (v for layer in flow.layers for v in layer.variables):
        # Those of steps are stacked, and in them those of residual blocks.
        *copies, rows, columns, inputs, outputs = (1, 1, 1, *variable.shape)
        if len(variable.shape) >= 5 and id(variable) not in exits:
            found[rows, columns, inputs, outputs] += int(np.prod(copies))
    assert found == kernel_shapes(case)


def test_glow_mixes_the_channels_once_a_step():
    case = ALL_CASES["tiny-glow"]
    mixing = [(conv.side, conv.inputs, conv.outputs) for conv in convolutions(case)[::4]]
    assert mixing == [(4, 12, 12), (2, 24, 24)]


@pytest.mark.parametrize("name", CASES)
def test_the_floor_keeps_the_size_of_its_numbers(name):
    case = ALL_CASES[name]
    built = floor_tensorflow._Convolutions(case)
    sums = built.log_prob()
    assert sums.shape == (case.batch,)
    assert 1e-6 < np.abs(sums).max() < 1e3
    assert np.isclose(built.train_step(), -sums.mean(), rtol=1e-4, atol=1e-6)


def test_the_floor_of_jet_has_its_networks_and_trains():
    case = ALL_CASES["tiny-jet"]
    flow = ours.build_flow(case)
    built = floor_keras._Transformers(case)
    assert built.parameters == sum(int(np.prod(v.shape)) for v in flow.trainable_variables)
    # Two steps cost less than a trace.
    assert built._run().shape == (case.batch,)
    losses = [float(built._train()) for _ in range(2)]
    assert losses[1] < losses[0]


def test_nflows_has_the_convolutions_of_ours():
    pytest.importorskip("torch")
    pytest.importorskip("nflows")
    from tfp_lcma.training.studies.benchmark import nflows_peer

    for name in CASES:
        case = ALL_CASES[name]
        flow = nflows_peer.build_flow(case)
        kernels = [p for p in flow.parameters() if p.dim() == 4 and p.shape[1:] != (1, 1, 1)]
        found = Counter((*p.shape[2:], p.shape[1], p.shape[0]) for p in kernels)
        assert found == kernel_shapes(case)
