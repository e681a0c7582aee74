"""However this package's flow is run, it is the same contender."""

import dataclasses

import pytest

from tests.seeds import seed_initializers
from tfp_lcma.training.studies.benchmark import ours
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS

CASE = dataclasses.replace(ALL_CASES["tiny-glow"], steps=2, levels=1, side=4)


def losses(name):
    """The losses before and after a training step."""
    seed_initializers(0)
    with pytest.MonkeyPatch.context() as patch:
        # Threads are a process' own; this one has run TensorFlow already.
        patch.setattr(ours, "use_threads", lambda threads: None)
        contender = IMPLEMENTATIONS[name].build(CASE, threads=1)
    return [contender.train_step() for _ in range(2)]


@pytest.fixture(scope="module")
def expected():
    return losses("ours")


@pytest.mark.parametrize(
    "name", ["ours-looped", pytest.param("ours-looped-invert", marks=pytest.mark.slow)]
)
def test_loops_and_gradients_by_inversion_train_alike(name, expected):
    assert losses(name) == pytest.approx(expected, rel=1e-5)
    assert expected[1] < expected[0]


def test_each_setting_of_ours_is_there_once():
    own = [i for i in IMPLEMENTATIONS.values() if i.kind == "ours"]
    settings = {(i.options.get("unroll"), i.options.get("memory", "keep")) for i in own}
    assert settings >= {
        (unroll, memory) for unroll in (True, False) for memory in ("keep", "invert")
    }
    assert len({tuple(sorted(i.options.items())) for i in own}) == len(own)
    assert len({i.title for i in IMPLEMENTATIONS.values()}) == len(IMPLEMENTATIONS)
