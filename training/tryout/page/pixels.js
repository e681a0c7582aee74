// Images as canvases hold them: ImageData with a pixel for each of the model's.

/** Paints an image on a canvas of its own size, which style sheets enlarge. */
export function paint(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Nested lists of whole intensities from 0 to bins - 1, as the model takes them. */
export function toIntensities({ width, height, data }, channels, bins) {
  const intensity = (place) => Math.round(((bins - 1) * data[place]) / 255);
  return range(height).map((row) =>
    range(width).map((column) =>
      range(channels).map((channel) => intensity(4 * (row * width + column) + channel)),
    ),
  );
}

/** The image of nested lists of intensities in [0, bins), as the model gives them. */
export function fromIntensities(nested, bins) {
  const image = new ImageData(nested[0].length, nested.length);
  const light = (value) => (255 * Math.min(Math.floor(value), bins - 1)) / (bins - 1);
  nested.flat().forEach((pixel, place) => {
    const [red, green = red, blue = red] = pixel.map(light);
    image.data.set([red, green, blue, 255], 4 * place);
  });
  return image;
}

export function range(count) {
  return Array.from({ length: count }, (_, index) => index);
}
