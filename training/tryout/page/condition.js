// What an image is conditioned on, if anything: a class or a vector.
import { range } from "./pixels.js";

/**
 * Adds the field that the model's conditions need, if any, to a label.
 * Returns a function from a number of rows to the `condition` input, {} without conditions.
 */
export function conditionField(conditions, label, changed) {
  if (conditions === null || conditions === undefined) return () => ({});
  const classes = typeof conditions === "number";
  const field = document.createElement(classes ? "select" : "input");
  field.id = "condition";
  if (classes) {
    field.append(...range(conditions).map((index) => new Option(index, index)));
    label.append("Class ", field);
  } else {
    field.type = "text";
    field.value = range(conditions[0]).map(() => 0).join(", ");
    label.append(`${conditions[0]} numbers `, field);
  }
  field.addEventListener("change", changed);
  return (rows) => ({ condition: range(rows).map(() => (classes ? Number(field.value) : vector())) });

  function vector() {
    const numbers = field.value.split(/[\s,;]+/).filter(Boolean).map(Number);
    if (numbers.length !== conditions[0] || !numbers.every(Number.isFinite)) {
      throw new Error(`The condition must be ${conditions[0]} numbers; it is “${field.value}”.`);
    }
    return numbers;
  }
}
