"""The protocol of a factorization: which dimensions are factored out, which stay."""

import numbers
from collections.abc import Sequence

import numpy as np

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.moves import Permutation
from tfp_lcma.bijectors.patches import to_view
from tfp_lcma.serialization import Configurable


class Factorization(Configurable):
    """An immutable, serialisable choice of the dimensions that are factored out early.

    At every level the flow's tensor is taken as a view `[h, w, 4c]`: entry `channel * 4 + dy * 2 +
    dx` is sub-position (dy, dx) of a 2x2 block of `channel`. A factorization orders these entries;
    the first of them stay, as many as `staying` says, the others are factored out. In a flow on
    patches (`models.jet`) the view is the grid of patches, `[h, w, entries]`, at every level: the
    entries of a position are what is left of a patch's dimensions.

    ```python
    import tfp_lcma as lcma

    split = lcma.factorizations.Channel(retained=0.25)
    split.bijector(level=0, view_shape=(4, 4, 12)).latent_shape  # (4, 4, 12)
    ```

    Attributes:
        retained: The share of a view's entries that stay, or their number.
        patch: Side of the patches of the flow that it is chosen for; None: views of 2x2 blocks.
        views: Which views it is for: "any", "blocks" of 2x2 alone, or its "own", those that it was
            chosen for, as `patch` says.
    """

    retained: float | int = 0.5
    patch: int | None = None
    views: str = "any"

    def __init__(self, *, retained: float | int = 0.5):
        """Creates the factorization.

        Args:
            retained: How many of a view's entries stay: a share between 0 and 1, or a number.

        Raises:
            ValueError: If it is neither.
        """
        real = isinstance(retained, numbers.Real) and not isinstance(retained, bool)
        whole = isinstance(retained, numbers.Integral)
        if not real or not (retained >= 1 if whole else 0 < retained < 1):
            raise ValueError(
                "retained must be a share between 0 and 1 or a whole number of entries >= 1; got "
                f"{retained!r}."
            )
        self.retained = int(retained) if whole else float(retained)

    def get_config(self) -> dict:
        return {"retained": self.retained}

    def staying(self, level: int, view_shape: Sequence[int]) -> int:
        """Returns how many channels of a level's view stay.

        Args:
            level: Index of the level.
            view_shape: Shape `(h, w, 4c)` of its view.

        Raises:
            ValueError: If a share does not come to a whole number of channels, or a
                number leaves none to be factored out.
        """
        entries = view_shape[-1]
        share = self.retained if isinstance(self.retained, int) else self.retained * entries
        stay = round(share)
        # 0.55 * 20 is not quite 11.
        if abs(share - stay) > 1e-9 * entries or not 1 <= stay < entries:
            raise ValueError(
                f"retained must leave a whole number from 1 to {entries - 1} of the {entries} "
                f"channels of level {level}'s view; got {self.retained!r}."
            )
        return stay

    def check_patch(self, patch: int | None) -> None:
        """Raises a ValueError unless the choice can be made in a flow's views.

        Args:
            patch: Side of the flow's patches; None: its views are of 2x2 blocks.
        """
        if self.views != "any" and patch != self.patch:
            raise ValueError(
                f"factorization must be one for {_seen(patch)}; {type(self).__name__} is "
                f"{'for' if self.views == 'blocks' else 'chosen for'} {_seen(self.patch)}."
            )

    def bijector(self, level: int, view_shape: Sequence[int]) -> FlowBijector:
        """Returns the flow that stands before the split of `level` (0 is the finest).

        Args:
            level: Index of the level.
            view_shape: Shape `(h, w, 4c)` of its view.

        Returns:
            A flow on `view_shape`.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks bijector().")

    def arriving(self, level: int, event_shape: Sequence[int]) -> np.ndarray:
        """Returns which dimension of the image each entry of a level's tensor is.

        Args:
            level: Index of the level.
            event_shape: Shape `(height, width, channels)` of the image.

        Returns:
            Integer array `[h, w, c]` of flat indices. After a map that is no
            permutation an entry is known by the slot it came through.

        Raises:
            ValueError: If the choice is not made when the flow is built.
        """
        index = np.arange(np.prod(event_shape)).reshape(event_shape)
        for above in range(level):
            index = view(index, above, self.patch)
            order = self.bijector(above, index.shape)
            if order.routes_change:
                raise ValueError(f"{self!r} has not settled yet which dimensions arrive.")
            stay = self.staying(above, index.shape)
            index = order.route(index)[..., :stay]
        return index

    def __eq__(self, other) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = self.get_config(), other.get_config()
        return all(_same(mine[name], theirs[name]) for name in mine)

    def __hash__(self) -> int:
        return hash(type(self).__name__)

    def __repr__(self) -> str:
        arguments = self.get_config()
        for name in ("retained", "patch"):
            if name in arguments and arguments[name] == getattr(Factorization, name):
                del arguments[name]
        shown = ", ".join(f"{name}={_show(v)}" for name, v in arguments.items())
        return f"{type(self).__name__}({shown})"


class StaticFactorization(Factorization):
    """A factorization by a fixed permutation within every block; a subclass writes `order`.

    ```python
    import keras
    import numpy as np

    import tfp_lcma as lcma


    @keras.saving.register_keras_serializable(package="mine")
    class LowerRow(lcma.factorizations.StaticFactorization):
        def order(self, level, view_shape):
            blocks = np.broadcast_to([2, 3, 0, 1], (*view_shape[:2], view_shape[2] // 4, 4))
            return lcma.factorizations.view_order(blocks)

        def get_config(self):
            return {"retained": self.retained}


    flow = lcma.models.real_nvp((8, 8, 1), levels=2, width=4, blocks=1, factorization=LowerRow())
    flow.exit_map[:2, :2, 0].tolist()  # [[0, 0], [1, 1]]
    ```
    """

    def order(self, level: int, view_shape: Sequence[int]) -> np.ndarray:
        """Returns which entry of the view each slot receives.

        Returns:
            Integer array `[h, w, 4c]`, or `[4c]` where all blocks are alike.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks order().")

    def bijector(self, level: int, view_shape: Sequence[int]) -> Permutation:
        height, width, entries = view_shape
        first = np.arange(0, height * width * entries, entries).reshape(height, width, 1)
        return Permutation(first + self.order(level, view_shape))


def view(image: np.ndarray, level: int = 0, patch: int | None = None) -> np.ndarray:
    """Views an array `[h, w, c]` as a level's view, `[h/2, w/2, 4c]` without patches.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    lcma.factorizations.view(np.arange(16).reshape(4, 4, 1))[0, 0].tolist()  # [0, 1, 4, 5]
    ```

    Args:
        image: Anything that every dimension of an image has.
        level: Index of the level; in a flow on patches level 0 makes the patches.
        patch: Side of the patches; None: the view is of 2x2 blocks.

    Raises:
        ValueError: If the array has no such view.
    """
    return to_view(image.shape, level, patch).route(image)


def _seen(patch):
    return "views of 2x2 blocks" if patch is None else f"patches of {patch}x{patch}"


def view_order(sub_positions: np.ndarray) -> np.ndarray:
    """Turns an order of each channel's four sub-positions into an order of the view.

    ```python
    import numpy as np

    import tfp_lcma as lcma

    diagonal = np.array([[0, 3, 1, 2], [0, 3, 1, 2]])  # of two channels
    lcma.factorizations.view_order(diagonal).tolist()  # [0, 4, 3, 7, 1, 5, 2, 6]
    ```

    Args:
        sub_positions: Integers `[..., c, 4]`: the sub-positions 0 to 3 of every
            channel, those that stay first.

    Returns:
        Integers `[..., 4c]`: all channels' first, all channels' second, and so on.
    """
    *blocks, channels, four = sub_positions.shape
    entry = sub_positions + four * np.arange(channels)[:, None]
    return np.swapaxes(entry, -1, -2).reshape(*blocks, four * channels)


def _same(one, other) -> bool:
    """Says whether two arguments are equal; NaN, where no score is known, equals NaN."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    floats = all(np.asarray(value).dtype.kind == "f" for value in (one, other))
    return np.array_equal(one, other, equal_nan=floats)


def _show(value) -> str:
    """Prints an argument; of an array its shape alone."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_show, value))}]"
    return f"<{'x'.join(map(str, value.shape))}>" if hasattr(value, "shape") else repr(value)
