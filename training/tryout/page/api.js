// The server's REST API, which is TensorFlow Serving's.

/** What the server says of its model: name, version, signatures and the model card. */
export async function describe() {
  return ask("/page/model.json");
}

/** Runs a signature on columns of inputs; returns its outputs by name. */
export async function predict(model, signature, inputs) {
  const answer = await ask(`/v1/models/${encodeURIComponent(model)}:predict`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ signature_name: signature, inputs }),
  });
  return answer.outputs;
}

async function ask(path, options) {
  let response, text;
  try {
    response = await fetch(path, options);
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
