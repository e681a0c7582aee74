"""What all tests of the training part share."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def no_user_cache(tmp_path_factory):
    """Keeps what is made of images out of the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
