"""Folders of small images whose values tell them apart."""

from PIL import Image


def write_images(folder, n, first=0):
    """Writes images, NUMBER.png, as red as their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        Image.new("RGB", (6, 4), (i, 200, 0)).save(folder / f"{i}.png")
