// The server's REST API, which is TensorFlow Serving's.

/** What the server says of its model: name, version, signatures and the model card. */
export async function describe() {
  return ask("model.json");
}

/** Runs a signature on columns of inputs; returns its outputs by name. */
export async function predict(model, signature, inputs) {
  const body = JSON.stringify({ signature_name: signature, inputs });
  const answer = await ask(`v1/models/${encodeURIComponent(model)}:predict`, body);
  return answer.outputs;
}

/** Reads an image file: its pixels as training would prepare them, and its own size. */
export async function readFile(file) {
  return ask("pixels", file);
}

async function ask(path, body) {
  let response, text;
  try {
    response = await fetch(path, body && { method: "POST", body });
    text = await response.text();
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  let answer;
  try {
    // NaN and Infinity are bare words in this API, which JSON.parse does not know.
    answer = JSON.parse(response.ok ? text.replace(/-?\b(NaN|Infinity)\b/g, "null") : text);
  } catch {
    throw new Error(`The server’s answer cannot be read (status ${response.status}).`);
  }
  if (!response.ok) throw new Error(`The server refused: ${answer.error}`);
  return answer;
}
