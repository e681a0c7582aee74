"""`tfp-lcma serve`: an exported model, to be tried out."""

import signal
import threading
from pathlib import Path

import click

from tfp_lcma.training.tryout.versions import latest_version


@click.command(epilog="Example: tfp-lcma serve saved_models/digits")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--rest-port",
    type=click.IntRange(0, 65535),
    default=8501,
    help="Port of REST and the page; 0 for any free one.",
)
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65535),
    default=8500,
    help="Port of gRPC; 0 for any free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    help="Address to listen on. Anything but loopback lets others on the network in.",
)
@click.option(
    "--max-request-bytes",
    type=click.IntRange(min=1),
    default=16 << 20,
    help="Larger requests are refused.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    help="Seconds that a request may take.",
)
def serve(directory, rest_port, grpc_port, host, max_request_bytes, timeout):
    """Serve the largest version in DIRECTORY, like saved_models/digits, to be tried out.

    For trying out, not for production: there are no accounts, nothing is encrypted, and
    requests are not gathered into batches. What it speaks is TensorFlow Serving's API, so clients
    written against it work with TensorFlow Serving. The model's name is the folder's.
    """
    try:
        latest_version(directory)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Loading {directory} ...")
    from tfp_lcma.training.tryout.model import ServedModel
    from tfp_lcma.training.tryout.server import TryOutServer

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        model = ServedModel(directory)
        server = TryOutServer(model, host, rest_port, grpc_port, max_request_bytes, timeout)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{model.name}, version {model.version}; for trying out, not for production.\n"
        f"  page  http://{server.rest_address}/\n"
        f"  REST  http://{server.rest_address}/v1/models/{model.name}\n"
        f"  gRPC  {server.grpc_address}\n"
        "Ctrl-C stops it."
    )
    # Python runs handlers in this thread, and a signal that another one received does not wake it.
    while not stop.wait(0.5):
        pass
    click.echo("Stopping.")
    server.stop()
    model.close()
