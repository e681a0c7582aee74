"""Many models in one process, each traced once."""

import tensorflow as tf


def expect_many_models() -> None:
    """Keeps TensorFlow from warning of a function that is traced again and again.

    It counts traces by the code of a function, which all models share: five models that are
    trained one after the other, each traced once, look to it like one that retraces.
    """
    tf.get_logger().addFilter(
        lambda record: "triggered tf.function retracing" not in record.getMessage()
    )
