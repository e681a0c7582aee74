// A board to draw on, of the model's pixels.

export class Drawing {
  /** Calls `changed` after every stroke and whenever another image is put on the board. */
  constructor(canvas, [height, width], changed) {
    Object.assign(canvas, { height, width });
    Object.assign(this, { canvas, changed, ink: "white", radius: 1 });
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.context.lineCap = this.context.lineJoin = "round";
    this.context.fillRect(0, 0, width, height);
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", () => this.#end());
    canvas.addEventListener("pointercancel", () => this.#end());
  }

  get image() {
    return this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
  }

  show(image) {
    this.context.putImageData(image, 0, 0);
    this.changed();
  }

  clear() {
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.changed();
  }

  #begin(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    // A stroke covers what was there once, however often it crosses itself.
    this.before = this.image;
    this.stroke = new Path2D();
    this.#move(event);
  }

  #move(event) {
    if (!this.before) return;
    const box = this.canvas.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * this.canvas.width;
    const down = ((event.clientY - box.top) / box.height) * this.canvas.height;
    this.stroke.lineTo(across, down);
    this.context.putImageData(this.before, 0, 0);
    this.context.strokeStyle = this.ink;
    this.context.lineWidth = 2 * this.radius + 0.5;
    this.context.stroke(this.stroke);
  }

  #end() {
    if (!this.before) return;
    this.before = null;
    this.changed();
  }
}
