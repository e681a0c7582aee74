"""`tfp-lcma sample`: images drawn from a trained flow."""

from pathlib import Path

import click

from tfp_lcma.training.cli.density_options import (
    density_argument,
    load,
    load_model,
    pretrained_option,
)
from tfp_lcma.training.cli.paths import check_file, check_folder


def _check_output(context, parameter, output: Path) -> Path:
    if output.suffix.lower() in (".png", ".npz"):
        if output.is_dir():
            raise click.BadParameter(f"{output} is a folder; it must be a file, or end otherwise.")
        return check_file("--output", output)
    if output.suffix and not output.is_dir():
        raise click.BadParameter(f"{output} must end in .png or .npz, or be a folder.")
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise click.BadParameter(f"{output} must be a new folder or an empty one.")
    return check_folder("--output", output)


@click.command(
    epilog="""\b
Examples:
  tfp-lcma sample runs/digits -n 64 --temperature 0.8 -o samples.png
  tfp-lcma sample --pretrained digits-lcma
"""
)
@density_argument(required=False)
@pretrained_option
@click.option("-n", "--number", type=click.IntRange(1), default=64, help="How many images.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="samples.png",
    callback=_check_output,
    help="A grid of all (.png), arrays (.npz), or a folder for a PNG file each.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=1.0,
    help="Factor of the noise; below 1, samples are likelier and less varied.",
)
@click.option(
    "--class", "label", type=int, help="Of this class.  [default: of all classes in turn]"
)
@click.option("--seed", default=0, help="The same seed draws the same images.")
def sample(folder, pretrained, number, output, temperature, label, seed):
    """Draw images from the model of a run, of an export, or of the package.

    The first images of a seed are the same, however many are drawn.
    """
    if (folder is None) == (pretrained is None):
        got = "neither" if folder is None else "both"
        raise click.UsageError(f"Give RUN|EXPORT or --pretrained, one of them; got {got}.")
    density = load_model(pretrained, label) if folder is None else load(folder, label)

    import numpy as np

    classes = None
    if density.conditions is not None:
        classes = np.arange(number) % density.conditions if label is None else label
        classes = np.broadcast_to(classes, number).astype(np.int32)
    click.echo("Drawing ...", err=True)
    try:
        images = density.sample(number, classes, temperature, seed)
        _write(output, images, classes, density.bins)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Images drawn in {output}: {number}")


def _write(output: Path, images, classes, bins: int) -> None:
    import numpy as np
    from PIL import Image

    from tfp_lcma.files import written_whole
    from tfp_lcma.training.reports.pictures import save_image_grid
    from tfp_lcma.training.reports.pictures.canvas import to_bytes

    if output.suffix.lower() == ".png":
        save_image_grid(output, images, bins=bins)
    elif output.suffix.lower() == ".npz":
        arrays = {"images": images} | ({} if classes is None else {"labels": classes})
        with written_whole(output) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)
    else:
        output.mkdir(parents=True, exist_ok=True)
        digits = len(str(len(images) - 1))
        for row, image in enumerate(to_bytes(images, bins)):
            # Pillow takes grey without an axis for its one channel.
            picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
            picture.save(output / f"{row:0{digits}}.png")
