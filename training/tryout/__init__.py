"""A server to try an exported model out: TensorFlow Serving's API over TensorFlow's C++ session.

For trying out, not for production. No flow and no layer is imported here: a
SavedModel is all that is read, as TensorFlow Serving reads it.
"""
