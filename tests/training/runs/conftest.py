"""A finished run that the tests of runs share."""

import pytest

from tests.training.tiny import make_eager, make_small, tiny_dataset, tiny_run


@pytest.fixture(scope="session")
def dataset():
    return tiny_dataset()


@pytest.fixture(scope="session")
def finished(tmp_path_factory, dataset):
    """A finished run and its metrics; tests must not change its folder."""
    run = tiny_run(tmp_path_factory.mktemp("finished"))
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch.setattr)
        make_eager(patch.setattr)
        return run, run.execute(dataset)
