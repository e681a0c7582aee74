"""A server to try an exported model out: TensorFlow Serving's API over TensorFlow's C++ session.

For trying out, not for production. Nothing here knows the package that made the
model: a SavedModel is all that is read, as TensorFlow Serving reads it.
"""
