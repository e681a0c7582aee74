// The page: a board whose image is scored, and samples.
import { describe, predict, readFile } from "./api.js";
import { conditionField } from "./condition.js";
import { Drawing } from "./drawing.js";
import { Heatmap, number } from "./heatmap.js";
import { fromIntensities, toIntensities } from "./pixels.js";
import { newSeeds, showSamples } from "./samples.js";

const $ = (id) => document.getElementById(id);

function complain(error) {
  $("error").textContent = error?.message ?? "";
  $("error").hidden = !error;
}

/** Runs a task at once or, while it runs already, once more after it. */
function oneAtATime(task) {
  let running = false, again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      try {
        await task();
        complain(null);
      } catch (error) {
        complain(error);
      }
    }
    running = false;
  };
}

async function start() {
  const { name, version, signatures, card } = await describe();
  document.title = `${name} · try a flow out`;
  $("name").textContent = name;
  $("footer").append("REST: ", link(name, ""), " · ", link(name, "/metadata"));
  if (!card) {
    $("facts").textContent = `version ${version}`;
    throw new Error(
      "This export has no model card, so the page does not know its images. REST and gRPC work. " +
        "Export the model again to use the page.",
    );
  }
  const { event_shape: shape, bins } = card;
  if (![1, 3].includes(shape[2])) {
    throw new Error(`The page shows images of 1 or 3 channels; these have ${shape[2]}.`);
  }
  $("facts").textContent =
    `version ${version} · ${shape[0]}×${shape[1]} pixels, ${shape[2] === 1 ? "grey" : "colour"} · ` +
    `intensities 0 to ${bins - 1}`;

  const condition = conditionField(card.conditions, $("condition-label"), () => {
    score();
    if ($("samples").childElementCount) sample();
  });
  $("condition-part").hidden = !$("condition-label").childElementCount;

  const usual = card.metrics?.test?.bits_per_dimension;
  const showBits = scoreBoard(bins, usual);
  const map = new Heatmap($("map"), $("legend"), shape, {
    lowest: $("lowest"), highest: $("highest"), pixel: $("pixel"),
  });
  const score = oneAtATime(async () => {
    if (!$("hint").hidden) return; // nothing on the board yet
    $("score").classList.add("busy");
    try {
      const inputs = { images: [toIntensities(drawing.image, shape[2], bins)], ...condition(1) };
      const [total, event] = await Promise.all([
        predict(name, "log_prob", inputs),
        predict(name, "event_log_prob", inputs),
      ]);
      showBits(total.bits_per_dimension[0], total.log_prob[0]);
      map.show(event[0]);
    } finally {
      $("score").classList.remove("busy");
    }
  });
  const drawing = new Drawing($("drawing"), shape, () => {
    $("hint").hidden = $("scaled").hidden = true;
    score();
  });
  $("drawing").addEventListener("pointerdown", () => ($("hint").hidden = true));
  drawingControls(drawing, shape, bins);

  let seeds = newSeeds(shape);
  const warm = signatures.includes("sample_with_temperature");
  $("temperature-label").hidden = !warm;
  const sample = oneAtATime(async () => {
    $("again").disabled = true;
    try {
      const inputs = { seed: seeds, ...condition(seeds.length) };
      if (warm) inputs.temperature = seeds.map(() => Number($("temperature").value));
      const outputs = await predict(name, warm ? "sample_with_temperature" : "sample", inputs);
      const failed = showSamples($("samples"), outputs, bins, (image) => drawing.show(image));
      $("converged").hidden = failed === 0;
      $("converged").textContent =
        `${failed} of ${seeds.length} did not converge: the iteration that inverts the flow ` +
        "did not settle there.";
      $("again").textContent = "Again";
    } finally {
      $("again").disabled = false;
    }
  });
  $("again").addEventListener("click", () => {
    seeds = newSeeds(shape);
    sample();
  });
  $("temperature").addEventListener("input", () => {
    $("temperature-text").textContent = Number($("temperature").value).toFixed(2);
    if ($("samples").childElementCount) sample();
  });
  $("tools").hidden = false;
}

/** Prepares the scale from 0 to a blind guess; returns how to show a result on it. */
function scoreBoard(bins, usual) {
  const blind = Math.log2(bins);
  const place = (bits) => `${(100 * Math.min(Math.max(bits / blind, 0), 1)).toFixed(2)}%`;
  $("blind").textContent = `${number(blind)}, a blind guess`;
  $("blind-text").textContent =
    `Naming one of ${bins} intensities blindly costs log₂ ${bins} = ${number(blind)}.`;
  if (Number.isFinite(usual)) {
    $("usual").hidden = false;
    $("usual").style.left = place(usual);
    $("usual-text").textContent = `test images: ${number(usual)}`;
  }
  return (bits, nats) => {
    const known = Number.isFinite(bits) && Number.isFinite(nats);
    $("bits").textContent = known ? number(bits) : "not a number";
    const dear = bits > blind ? ", dearer than a blind guess" : "";
    $("nats").textContent = known ? `log-likelihood ${number(nats, 1)} nats${dear}` : "";
    $("here").hidden = !known;
    if (known) $("here").style.left = place(bits);
  };
}

function drawingControls(drawing, shape, bins) {
  const ink = document.createElement("input");
  ink.id = "ink";
  if (shape[2] === 1) {
    Object.assign(ink, { type: "range", min: 0, max: bins - 1, value: bins - 1 });
  } else {
    Object.assign(ink, { type: "color", value: "#ffffff" });
  }
  ink.addEventListener("input", () => {
    const grey = (255 * ink.value) / (bins - 1);
    drawing.ink = shape[2] === 1 ? `rgb(${grey} ${grey} ${grey})` : ink.value;
  });
  $("ink-label").append(ink);
  const side = Math.min(shape[0], shape[1]);
  Object.assign($("size"), { min: 0.3, max: side / 6, step: 0.1, value: Math.max(0.5, side / 24) });
  drawing.radius = Number($("size").value);
  $("size").addEventListener("input", () => (drawing.radius = Number($("size").value)));
  $("clear").addEventListener("click", () => drawing.clear());
  $("upload").addEventListener("change", async () => {
    const [file] = $("upload").files;
    if (!file) return;
    try {
      const { pixels, size } = await readFile(file);
      drawing.show(fromIntensities(pixels, bins));
      $("scaled").hidden = size[0] === shape[0] && size[1] === shape[1];
      $("scaled").textContent =
        `${file.name} was scaled from ${size[0]}×${size[1]} to ${shape[0]}×${shape[1]} pixels.`;
    } catch (error) {
      complain(error);
    }
    $("upload").value = ""; // so that the same file can be chosen again
  });
}

function link(name, what) {
  const anchor = document.createElement("a");
  anchor.href = `v1/models/${encodeURIComponent(name)}${what}`;
  anchor.textContent = `/v1/models/${name}${what}`;
  return anchor;
}

start().catch((error) => {
  if ($("name").textContent.startsWith("Loading")) $("name").textContent = "No model";
  complain(error);
});
