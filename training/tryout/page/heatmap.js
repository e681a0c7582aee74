// The likelihood map and its legend.
import { paint } from "./pixels.js";

// From unlikely to likely: every stop lighter than the one before.
const STOPS = [
  [27, 22, 66],
  [58, 70, 150],
  [33, 140, 141],
  [140, 200, 95],
  [253, 240, 160],
];

/** A canvas that shows nats, one number a pixel, with a legend from the lowest to the highest. */
export class Heatmap {
  constructor(canvas, legend, shape, { lowest, highest, pixel }) {
    Object.assign(this, { canvas, shape, lowest, highest, pixel });
    const bar = new ImageData(64, 1);
    for (let place = 0; place < 64; place++) bar.data.set(colour(place / 63), 4 * place);
    paint(legend, bar);
    this.empty();
    canvas.addEventListener("pointermove", (event) => this.#point(event));
    canvas.addEventListener("pointerleave", () => (pixel.textContent = "nats per pixel"));
  }

  empty() {
    this.nats = null;
    this.canvas.width = this.shape[1];
    this.canvas.height = this.shape[0];
    this.lowest.textContent = this.highest.textContent = "";
  }

  /** Shows nested lists [height][width][channels]; channels are added up. */
  show(nested) {
    this.nats = nested.map((row) => row.map((pixel) => pixel.reduce((sum, nats) => sum + nats, 0)));
    const all = this.nats.flat();
    if (!nested.flat(2).every(Number.isFinite)) return this.empty();
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const image = new ImageData(this.shape[1], this.shape[0]);
    all.forEach((nats, place) =>
      image.data.set(colour(high > low ? (nats - low) / (high - low) : 0.5), 4 * place),
    );
    paint(this.canvas, image);
    this.lowest.textContent = number(low);
    this.highest.textContent = number(high);
  }

  #point(event) {
    if (!this.nats) return;
    const box = this.canvas.getBoundingClientRect();
    const [height, width] = this.shape;
    const inside = (part, size) => Math.min(Math.max(Math.floor(part * size), 0), size - 1);
    const row = inside((event.clientY - box.top) / box.height, height);
    const column = inside((event.clientX - box.left) / box.width, width);
    this.pixel.textContent = `row ${row}, column ${column}: ${number(this.nats[row][column])} nats`;
  }
}

/** A number with a real minus sign. */
export function number(value, digits = 2) {
  return value.toFixed(digits).replace("-", "−");
}

function colour(part) {
  const place = part * (STOPS.length - 1);
  const first = Math.min(Math.floor(place), STOPS.length - 2);
  const between = (low, channel) => low + (place - first) * (STOPS[first + 1][channel] - low);
  return [...STOPS[first].map(between), 255];
}
