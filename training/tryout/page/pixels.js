// Images as the page holds them: {height, width, channels, values}, values from 0 to 1, row by row.

export function blank([height, width, channels]) {
  return { height, width, channels, values: new Float32Array(height * width * channels) };
}

/** Paints an image on a canvas of its own size, which style sheets enlarge. */
export function paint(canvas, image) {
  const { height, width, channels, values } = image;
  const data = new ImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let colour = 0; colour < 3; colour++) {
      const channel = channels >= 3 ? colour : 0;
      data.data[4 * pixel + colour] = Math.round(255 * values[pixel * channels + channel]);
    }
    data.data[4 * pixel + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(data, 0, 0);
}

/** Nested lists of whole intensities from 0 to bins - 1, as the model takes them. */
export function toIntensities(image, bins) {
  const { height, width, channels, values } = image;
  return range(height).map((row) =>
    range(width).map((column) =>
      range(channels).map((channel) =>
        Math.round((bins - 1) * values[(row * width + column) * channels + channel]),
      ),
    ),
  );
}

/** The image of nested lists of intensities in [0, bins), as the model gives them. */
export function fromIntensities(nested, bins) {
  const image = blank([nested.length, nested[0].length, nested[0][0].length]);
  image.values.set(nested.flat(2).map((value) => Math.min(Math.floor(value) / (bins - 1), 1)));
  return image;
}

/** Reads an image file, cropped at its longer side and resized; transparent parts are black. */
export async function readFile(file, [height, width, channels]) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is not an image that this browser can read.`);
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "black";
  context.fillRect(0, 0, width, height);
  const scale = Math.max(width / bitmap.width, height / bitmap.height);
  const [wide, high] = [scale * bitmap.width, scale * bitmap.height];
  context.drawImage(bitmap, (width - wide) / 2, (height - high) / 2, wide, high);
  const data = context.getImageData(0, 0, width, height).data;
  const image = blank([height, width, channels]);
  for (let pixel = 0; pixel < height * width; pixel++) {
    const [red, green, blue] = [0, 1, 2].map((colour) => data[4 * pixel + colour] / 255);
    const grey = 0.299 * red + 0.587 * green + 0.114 * blue;
    image.values.set(channels >= 3 ? [red, green, blue] : [grey], pixel * channels);
  }
  return image;
}

export function range(count) {
  return Array.from({ length: count }, (_, index) => index);
}
