// A board to draw on, pixel by pixel of the model's image.
import { blank, paint } from "./pixels.js";

export class Drawing {
  /** Calls `changed` after every stroke and whenever another image is put on the board. */
  constructor(canvas, shape, changed) {
    this.canvas = canvas;
    this.shape = shape;
    this.changed = changed;
    this.ink = [1, 1, 1];
    this.radius = 1;
    this.image = blank(shape);
    paint(canvas, this.image);
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => this.#end());
    }
  }

  show(image) {
    this.image = image;
    paint(this.canvas, image);
    this.changed();
  }

  clear() {
    this.show(blank(this.shape));
  }

  #begin(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    // A stroke covers what was there once, however often it crosses itself.
    this.before = this.image;
    this.cover = new Float32Array(this.shape[0] * this.shape[1]);
    this.last = this.#place(event);
    this.#line(this.last, this.last);
  }

  #move(event) {
    if (!this.before) return;
    const next = this.#place(event);
    this.#line(this.last, next);
    this.last = next;
  }

  #end() {
    if (!this.before) return;
    this.before = null;
    this.changed();
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.shape[1],
      ((event.clientY - box.top) / box.height) * this.shape[0],
    ];
  }

  #line(from, to) {
    const [height, width, channels] = this.shape;
    const image = blank(this.shape);
    for (let pixel = 0; pixel < height * width; pixel++) {
      const centre = [(pixel % width) + 0.5, Math.floor(pixel / width) + 0.5];
      const edge = this.radius + 0.5 - distance(centre, from, to);
      this.cover[pixel] = Math.max(this.cover[pixel], Math.min(Math.max(edge, 0), 1));
      for (let channel = 0; channel < channels; channel++) {
        const place = pixel * channels + channel;
        const part = this.cover[pixel];
        image.values[place] = (1 - part) * this.before.values[place] + part * this.ink[channel];
      }
    }
    this.image = image;
    paint(this.canvas, image);
  }
}

/** From a point to a line between two others. */
function distance([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const along = length ? Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / length, 0), 1) : 0;
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
