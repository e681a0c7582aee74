// A grid of samples; each of them can be put on the board.
import { fromIntensities, paint, range } from "./pixels.js";

/** As many seeds as samples are shown: fewer of large images, which take longer. */
export function newSeeds([height, width]) {
  const count = height * width <= 1024 ? 16 : 8;
  return range(count).map(() => Array.from(crypto.getRandomValues(new Int32Array(2))));
}

/** Fills the grid; returns how many images are missing because their iteration did not converge. */
export function showSamples(grid, outputs, bins, chosen) {
  // A signature with one output gives it without its name.
  const images = outputs.images ?? outputs;
  const converged = outputs.converged ?? images.map(() => true);
  grid.replaceChildren(
    ...images.map((nested, place) => {
      const tile = document.createElement("button");
      tile.type = "button";
      if (!converged[place]) {
        tile.className = "failed";
        tile.disabled = true;
        tile.textContent = "did not converge";
        return tile;
      }
      const image = fromIntensities(nested, bins);
      const canvas = document.createElement("canvas");
      paint(canvas, image);
      tile.append(canvas);
      tile.setAttribute("aria-label", `Sample ${place + 1}: put it on the board`);
      tile.addEventListener("click", () => chosen(image));
      return tile;
    }),
  );
  return converged.filter((good) => !good).length;
}
