"""Image files of every kind that a server may be sent, by what they are."""

import io
import struct
import zlib

import numpy as np
from PIL import ExifTags, Image

SIZE = 8
# Bits a channel that PNG has for each of its types of colour, and its channels.
_KINDS = {
    "grey": (0, (1, 2, 4, 8, 16), 1),
    "colour": (2, (8, 16), 3),
    "palette": (3, (1, 2, 4, 8), 1),
    "grey and alpha": (4, (8, 16), 2),
    "colour and alpha": (6, (8, 16), 4),
}


def encoded(image, kind="PNG", **options):
    """The contents of a file that Pillow writes."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def picture(channels, seed=0, size=SIZE):
    """Smooth colours with noise, uint8."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (3, 3, channels), dtype=np.uint8)
    layers = [Image.fromarray(layer).resize((size, size)) for layer in np.moveaxis(coarse, -1, 0)]
    noisy = np.stack([np.asarray(layer) for layer in layers], axis=-1) + random.normal(
        0, 12, (size, size, channels)
    )
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


def chunk(name, content):
    """One chunk of a PNG file."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(kind, bits, before=b"", after=b"", transparent=False):
    """A PNG of random pixels, without help of the libraries that read it."""
    number, _, channels = _KINDS[kind]
    random = np.random.default_rng(0)
    header = struct.pack(">IIBBBBB", SIZE, SIZE, bits, number, 0, 0, 0)
    row = random.integers(0, 256, (SIZE, bits * channels * SIZE // 8), dtype=np.uint8)
    if transparent and kind != "palette":
        row[:, ::2] = 0
    colours = b""
    if kind == "palette":
        colours = chunk(b"PLTE", random.integers(0, 256, 3 << bits, dtype=np.uint8).tobytes())
    if transparent:
        palette = random.integers(0, 256, 1 << bits, dtype=np.uint8).tobytes()
        colours += chunk(b"tRNS", palette if kind == "palette" else bytes(2 * channels))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line.tobytes() for line in row)))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + before + colours + pixels + after + chunk(b"IEND", b"")


def interlaced():
    """A grey PNG whose pixels come in the seven passes of Adam7."""
    # First column and row, steps of columns and rows.
    passes = [
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]  # fmt: skip
    rows = [row for x, y, dx, dy in passes for row in picture(1)[y::dy, x::dx]]
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 0, 0, 0, 1)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def pngs():
    """PNG files by what they are; the first words are the type of colour and its bits."""
    gamma = chunk(b"gAMA", struct.pack(">I", 22_000))
    profile = chunk(b"sRGB", b"\0") + chunk(b"pHYs", struct.pack(">IIB", 10, 10, 1))
    found = {"interlaced": interlaced()}
    for kind, (_, all_bits, _) in _KINDS.items():
        for bits in all_bits:
            found[f"{kind}, {bits} bits"] = png(kind, bits)
            found[f"{kind}, {bits} bits, gamma"] = png(kind, bits, before=gamma)
            found[f"{kind}, {bits} bits, sRGB"] = png(kind, bits, before=profile)
            if "alpha" not in kind:
                found[f"{kind}, {bits} bits, transparent"] = png(kind, bits, transparent=True)
    frames = [Image.fromarray(picture(3, seed)) for seed in range(3)]
    found["animated"] = encoded(frames[0], save_all=True, append_images=frames[1:])
    found["animated beside a picture"] = encoded(
        frames[0], save_all=True, append_images=frames[1:], default_image=True
    )
    return found


def jpegs():
    """JPEG files by what they are."""
    found = {}
    for quality in (30, 75, 95):
        for progressive in (False, True):
            how = f"{quality}{', progressive' * progressive}"
            options = {"quality": quality, "progressive": progressive}
            found[f"grey, {how}"] = encoded(picture(1, quality), "JPEG", **options)
            for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
                image = picture(3, quality)
                found[f"{sampling}, {how}"] = encoded(
                    image, "JPEG", subsampling=sampling, **options
                )
    found["red, green, blue"] = encoded(picture(3), "JPEG", keep_rgb=True)
    found["restart markers"] = encoded(picture(3), "JPEG", restart_marker_blocks=1)
    found["a colour profile"] = encoded(picture(3), "JPEG", icc_profile=bytes(200))
    return found


def _exif():
    """Metadata that say that an image lies on its side."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return exif.tobytes()


_XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def unlike():
    """Files that are images of the size, but are not read alike or not at all."""
    text = b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(_exif()), _exif().hex().encode())
    international = b"XML:com.adobe.xmp\0\0\0\0\0" + _XMP
    return {
        "CMYK": encoded(Image.fromarray(picture(4), "CMYK"), "JPEG"),
        "a JPEG that lies": encoded(picture(3), "JPEG", exif=_exif()),
        "a JPEG that lies by XMP": encoded(picture(3), "JPEG", xmp=_XMP),
        "a PNG that lies": png("colour", 8, after=chunk(b"eXIf", _exif()[6:])),
        "a PNG that lies by a text": png("colour", 8, before=chunk(b"tEXt", text)),
        "a PNG that lies by XMP": png("colour", 8, before=chunk(b"iTXt", international)),
        "a PNG whose text says transparency": png(
            "colour", 8, before=chunk(b"tEXt", b"transparency\0x")
        ),
        "WebP": encoded(picture(3), "WEBP"),
        "BMP": encoded(picture(3), "BMP"),
        "GIF": encoded(picture(1), "GIF"),
    }


def damaged():
    """What is no image of the size at all."""
    good_png, good_jpeg = encoded(picture(3)), encoded(picture(3), "JPEG")
    return {
        "nothing": b"",
        "text": b"not an image",
        "PNG's first bytes": good_png[:8],
        "PNG's header": good_png[:33],
        "half a PNG": good_png[: len(good_png) // 2],
        "half a JPEG": good_jpeg[: len(good_jpeg) // 2],
        "JPEG's first bytes": good_jpeg[:3],
        "a small PNG": encoded(picture(3, size=SIZE - 1)),
        "a large PNG": encoded(np.zeros((3000, 3000), np.uint8)),
        "a large JPEG": encoded(np.zeros((3000, 3000), np.uint8), "JPEG"),
        "a wide PNG": encoded(picture(3)[:4]),
    }
