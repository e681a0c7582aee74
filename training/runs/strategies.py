"""TensorFlow's strategies by name, and how several processes find each other."""

import contextlib
import faulthandler
import signal
import socket
import time
from collections.abc import Iterator

from tfp_lcma.training.runs.cluster import Cluster
from tfp_lcma.training.runs.workers import ALONE, Workers

# At the start, peers may still have to be scheduled, and to load their programs.
_LONGER_AT_START = 10
_POLL = 0.2


def make_workers(name: str, cluster: Cluster | None = None, peer_timeout: float = 60.0) -> Workers:
    """Returns the workers of one of `STRATEGIES`, once all are there.

    Must be called before TensorFlow has run anything.

    Args:
        name: which.
        cluster: of several processes; of no meaning elsewhere.
        peer_timeout: seconds without a sign of life after which another process is lost, and
            whatever waits for it raises; ten times as many at the start.

    Raises:
        ValueError: not all processes came in time.
    """
    if name == "none":
        return ALONE
    import tensorflow as tf

    if name == "mirrored":
        return Workers(tf.distribute.MirroredStrategy())
    if cluster is None:
        raise ValueError("cluster must be given with several workers; got None.")
    seconds = _LONGER_AT_START * peer_timeout
    _configure(cluster, peer_timeout)
    chief = cluster.number == 0
    if chief:
        _wait_for(cluster.addresses[1:], seconds)
    with _at_most(2 * seconds), _signals_kept():
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=_options())
        except tf.errors.DeadlineExceededError as error:
            raise _missing([cluster.addresses[0]], seconds) from error
    return Workers(strategy, chief)


def _configure(cluster, peer_timeout):
    """Says when a process is lost; TensorFlow has no public way to."""
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.eager import context

    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=cluster.leader,
        cluster_register_timeout_in_ms=int(1000 * _LONGER_AT_START * peer_timeout),
        heartbeat_timeout_in_ms=int(1000 * peer_timeout),
        coordinated_jobs=[
            coordination_config_pb2.CoordinatedJob(name=job, num_tasks=len(addresses))
            for job, addresses in cluster.jobs.items()
        ],
    )


def _options():
    """Returns how processes communicate: by the best way on GPUs, by the only one on CPUs."""
    import tensorflow as tf

    ways = tf.distribute.experimental.CommunicationImplementation
    way = ways.AUTO if tf.config.list_physical_devices("GPU") else ways.RING
    return tf.distribute.experimental.CommunicationOptions(implementation=way)


def _wait_for(addresses, seconds):
    """Waits until all are there at once: TensorFlow itself would wait for an hour, deaf."""
    end = time.monotonic() + seconds
    while absent := [address for address in addresses if not _answers(address)]:
        if time.monotonic() > end:
            raise _missing(absent, seconds)
        time.sleep(_POLL)


def _missing(addresses, seconds):
    return ValueError(
        f"The workers of TF_CONFIG must all be started within {seconds:g} s of each other, "
        f"10 × --peer-timeout; {', '.join(addresses)} did not answer."
    )


def _answers(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Ends the process if the block takes longer, even where no Python code runs meanwhile."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Undoes that TensorFlow catches SIGTERM, which then ends nothing."""
    kept = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)
