"""The processes that train together: the chief decides and writes, the others follow it."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfp_lcma.files import written_whole

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Workers:
    """One process's view of all; every process must ask the same questions in the same order.

    Attributes:
        strategy: under which models are made and trained; None: TensorFlow's default.
        chief: whether this process is the one that writes.
    """

    strategy: "tf.distribute.Strategy | None" = None
    chief: bool = True

    @property
    def replicas(self) -> int:
        """Over how many devices, of all processes, a batch is divided."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    def scope(self) -> contextlib.AbstractContextManager:
        """Returns what models must be made in."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def of_chief(self, value: Any) -> Any:
        """Returns the chief's value, of what JSON can hold; waits for every process."""
        return value if not self.several else json.loads(self._bytes(json.dumps(value).encode()))

    def give(self, folder: Path, patterns: Sequence[str]) -> None:
        """Writes the files of the chief's folder that match a pattern into the others' folders."""
        if not self.several:
            return
        paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
        for name in self.of_chief([path.relative_to(folder).as_posix() for path in paths]):
            content = self._bytes((folder / name).read_bytes() if self.chief else b"")
            if not self.chief:
                with written_whole(folder / name) as temporary:
                    temporary.write_bytes(content)

    def assign_of_chief(self, variables: "Sequence[tf.Variable]") -> None:
        """Gives variables of any type the chief's values."""
        for variable in variables if self.several else ():
            value = variable.numpy()
            variable.assign(self._array(value).astype(value.dtype))

    def shared_out(
        self, batch_size: int, batches: "Callable[[Sequence[slice] | None], tf.data.Dataset]"
    ) -> "tf.data.Dataset | tf.distribute.DistributedDataset":
        """Returns batches of which every process reads what its own replicas train on.

        Args:
            batch_size: images in a batch of all replicas.
            batches: gives of every batch the parts that it is asked for, or with None all of it.
        """
        strategy = self.strategy
        if strategy is None or not self.several:
            return batches(None)
        from tfp_lcma.keras_model.replicas import turns_of

        def own(context):
            replicas = context.num_replicas_in_sync
            own = replicas // context.num_input_pipelines
            first = own * context.input_pipeline_id
            turns = turns_of(replicas, own)[first : first + own]
            return batches(parts(batch_size, replicas, turns))

        return strategy.distribute_datasets_from_function(own)

    @property
    def several(self) -> bool:
        """Whether there are other processes."""
        if self.strategy is None:
            return False
        from tfp_lcma.keras_model.replicas import several_workers

        return several_workers(self.strategy)

    def _bytes(self, content):
        size = int(self._array(np.array(len(content))))
        own = np.frombuffer(content, np.uint8) if self.chief else np.zeros(size)
        return self._array(own).astype(np.uint8).tobytes()

    def _array(self, array):
        from tfp_lcma.keras_model.replicas import of_chief

        # Holds whole numbers too, and is a type that every device adds.
        return of_chief(self.strategy, array.astype(np.float64))


def parts(batch_size: int, replicas: int, turns: Iterable[int]) -> list[slice]:
    """Returns some of the parts of a batch that is divided among replicas, as equal as may be.

    Args:
        batch_size: rows of the whole.
        replicas: number of parts.
        turns: which of them.
    """
    return [
        slice(-(-turn * batch_size // replicas), -(-(turn + 1) * batch_size // replicas))
        for turn in map(int, turns)
    ]


ALONE = Workers()
