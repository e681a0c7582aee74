"""How many threads TensorFlow may use."""


def use_threads(threads: int | None) -> None:
    """Bounds TensorFlow's threads; one of each kind makes every sum's order, and so a run, repeat.

    Must be called before TensorFlow has run anything. None leaves the choice to it.
    """
    if threads is None:
        return
    import tensorflow as tf

    if threads < 1:
        raise ValueError(f"threads must be at least 1; got {threads}.")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
