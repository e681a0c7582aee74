"""`tfp-lcma score`: how unlike the training images the user's files are."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from tfp_lcma.training.cli.density_options import density_argument, load
from tfp_lcma.training.cli.paths import PathHere, check_file, check_folder

# Files that the last line names.
_SHOWN = 3


@click.command(
    epilog="Example: tfp-lcma score runs/digits photographs/ more/*.png -o scores.csv --maps maps"
)
@density_argument()
@click.argument("images", nargs=-1, required=True, type=PathHere())
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="scores.csv",
    help="CSV file of the scores.",
)
@click.option(
    "--maps",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for a heat-map of every image, named by its row: bright is unlikely.",
)
@click.option(
    "--draws",
    type=click.IntRange(1),
    default=1,
    help="Dequantisation draws an image; more tighten the bound.",
)
@click.option("--class", "label", type=int, help="Score all as this class.")
def score(folder, images, output, maps, draws, label):
    """Score image files by the model of a run or of an export.

    IMAGES are files, or folders that are searched for them. Every file is made pixels of as the
    training images were. The CSV file has a row for each: its bits per dimension; the
    complexity-corrected score, which is the bits less those of a PNG file; its rank by that, 1 the
    most anomalous; and, of a file that cannot be read, why.
    """
    check_file("--output", output)
    if maps is not None:
        check_folder("--maps", maps)
    try:
        files = list(_found(images))
    except OSError as error:
        raise click.ClickException(str(error)) from error
    if not files:
        raise click.UsageError(f"IMAGES must hold image files; found none in {_listed(images)}.")
    density = load(folder, label, needed=True)
    if density.pixels is None:
        raise click.ClickException(
            f"{folder} has images of {density.event_shape[-1]} channels; files are read as grey or "
            "in colour."
        )

    from tfp_lcma.training.reports.pictures import save_heat_map
    from tfp_lcma.training.runs.scores import ranks, score_files, write_scores

    def save(row, image, values):
        name = f"{row + 1:0{len(str(len(files)))}}-{Path(files[row]).stem}.png"
        save_heat_map(maps / name, image, values, bins=density.bins)

    rows = score_files(
        density, files, condition=label, draws=draws, on_map=None if maps is None else save
    )
    try:
        with click.progressbar(rows, len(files), label="Scoring", file=sys.stderr) as progress:
            scores = list(progress)
        write_scores(output, scores)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    unread = sum(bool(row.error) for row in scores)
    click.echo(
        f"Images scored in {output}: {len(scores) - unread}"
        + (f"; files that could not be read, see there: {unread}" if unread else "")
    )
    first = {rank: row.file for rank, row in zip(ranks(scores), scores, strict=True)}
    named = [first[rank] for rank in range(1, _SHOWN + 1) if rank in first]
    if named:
        click.echo(f"Most anomalous: {_listed(named)}")


def _found(paths: Iterable[Path]) -> Iterable[str]:
    """Yields every file that is given or lies below a folder that is."""
    from tfp_lcma.training.data.file_report import named
    from tfp_lcma.training.data.files import find_images

    for path in paths:
        if not path.is_dir():
            yield str(path)
            continue
        found = find_images(path)
        yield from (str(path / name) for name in found.images)
        reasons = found.passed_over | found.closed
        if reasons:
            click.echo(f"Passed over below {path} ({len(reasons)}):\n{named(reasons)}", err=True)


def _listed(names: Iterable[str | os.PathLike]) -> str:
    return ", ".join(click.format_filename(name) for name in names)
