"""`tfp-lcma check`: an export, checked as a server would load it."""

from pathlib import Path

import click

from tfp_lcma.export_layout import CHECKSUMS
from tfp_lcma.training.tryout.versions import latest_version


@click.command(epilog="Example: tfp-lcma check saved_models/digits")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
def check(path):
    """Check the exported version at PATH, or the latest of the versions in it.

    Compares all files with their checksums. If they are what was exported, reads the model card,
    loads the SavedModel into a plain TensorFlow session, compares its signatures with the card's
    and asks every warm-up request. Names whatever is wrong.
    """
    try:
        is_version = any((path / name).exists() for name in ("saved_model.pb", CHECKSUMS))
        version = path if is_version else latest_version(path)
        from tfp_lcma.training.tryout.check_export import check_version

        card = check_version(version)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{version}: files, {len(card['signatures'])} signatures and "
        f"{card['warm_up_requests']} warm-up requests are in order."
    )
