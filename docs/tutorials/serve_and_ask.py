# %% [markdown]
# # Serve a model and ask it
#
# An export is a TensorFlow SavedModel with a signature for every question. TensorFlow Serving
# runs it in production; `tfp-lcma serve` runs it here, speaks the same REST and gRPC, and runs
# the same signatures in the same kind of session. On this page a model that comes with the
# package is exported, checked and served, two clients ask it, and the server is stopped. The
# commands of the container stand beside.

# %%
import base64
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import tfp_lcma as lcma
from tfp_lcma.training.data import load

tf.get_logger().setLevel("ERROR")
digits = load("digits")
model = lcma.pretrained.load("digits-lcma")
print(f"{model.bits_per_dimension(digits.test.images).mean():.2f} bits per dimension")

# %% [markdown]
# ## Export and check
#
# `export_saved_model` writes a version, a folder with a number for its name; `pixels` says how an
# image file becomes an image of the model. `tfp-lcma check` compares its files with their
# checksums, loads it as TensorFlow Serving does, and asks the warm-up requests.

# %%
folder = Path(tempfile.mkdtemp())
pixels = lcma.pretrained.card("digits-lcma")["pixels"]
version = lcma.export_saved_model(model, folder / "digits", pixels=pixels)
for path in sorted(path for path in Path(version).rglob("*") if path.is_file()):
    print(f"{path.stat().st_size:>9,} bytes  {path.relative_to(folder)}")

quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
check = subprocess.run(
    [sys.executable, "-m", "tfp_lcma", "check", "digits"],
    cwd=folder,
    env=quiet,
    capture_output=True,
    text=True,
    check=True,
)
print(check.stdout)

# %% [markdown]
# ## Start the server
#
# In a shell that is `tfp-lcma serve digits`, on ports 8501 (REST) and 8500 (gRPC), until Ctrl-C.
# Port 0 asks for free ones, and the server says which.

# %%
command = [sys.executable, "-u", "-m", "tfp_lcma", "serve", "digits"]
server = subprocess.Popen(
    [*command, "--rest-port", "0", "--grpc-port", "0"],
    cwd=folder,
    env=quiet,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
)
said = ""
for line in server.stdout:
    said += line
    if "Ctrl-C" in line:
        break
print(re.sub(r":\d{4,5}\b", ":PORT", said))
rest = re.search(r"REST  (\S+)", said)[1]
grpc_address = re.search(r"gRPC  (\S+)", said)[1]

# %% [markdown]
# TensorFlow Serving's container does the same with the same folder, and everything below works
# against it (it was not run for this page):
#
# ```
# docker run --rm -p 8500:8500 -p 8501:8501 \
#   -v "$PWD/digits:/models/digits" -e MODEL_NAME=digits tensorflow/serving
# ```
#
# Several models, batching, an image of your own, Kubernetes and Vertex AI are on [a page of their
# own](../how_to/tensorflow_serving.md).
#
# ## Ask over REST
#
# A client needs no library: a request is JSON. What can be asked, the server says.

# %%
with urllib.request.urlopen(f"{rest}/metadata") as response:
    signatures = json.load(response)["metadata"]["signature_def"]["signature_def"]
print(", ".join(sorted(signatures)))

# %%


def ask(signature, **inputs):
    """Asks a signature over REST, in columns."""
    body = {"signature_name": signature, "inputs": inputs}
    with urllib.request.urlopen(f"{rest}:predict", json.dumps(body).encode()) as response:
        return json.load(response)["outputs"]


images = digits.test.images[:8]
scores = ask("log_prob", images=images.tolist())
print("bits per dimension", np.round(scores["bits_per_dimension"], 2))
off = np.abs(scores["log_prob"] - model.log_prob(images)).max()
print(f"off the model's own log_prob by {off:.0e} nats")

# %% [markdown]
# The log-likelihood pixel by pixel, and samples. A row of seeds gives one image, the same one
# every time.

# %%
shares = np.array(ask("event_log_prob", images=images.tolist()))
seeds = [[seed, 0] for seed in range(8)]
samples = np.array(ask("sample_with_temperature", seed=seeds, temperature=[0.8] * 8))

figure, axes = plt.subplots(3, 8, figsize=(8, 3.2), layout="constrained")
for column in range(8):
    axes[0, column].imshow(images[column, ..., 0], cmap="gray_r", vmin=0, vmax=16)
    low, high = np.percentile(shares, [1, 99])
    drawn = axes[1, column].imshow(shares[column, ..., 0], cmap="viridis", vmin=low, vmax=high)
    axes[2, column].imshow(samples[column, ..., 0], cmap="gray_r", vmin=0, vmax=16)
for row, name in zip(axes, ("images", "log-density", "samples"), strict=True):
    row[0].set_ylabel(name)
    for axis in row:
        axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes[1], label="nats")
plt.show()

# %% [markdown]
# A PNG or JPEG file goes as it is, in base64. Black is intensity 0 there and white the highest,
# so these digits are white on black.

# %%
white_on_black = np.rint(images[0, ..., 0] * (255 / 16)).astype(np.uint8)
file = io.BytesIO()
Image.fromarray(white_on_black).save(file, format="png")
encoded = [{"b64": base64.b64encode(file.getvalue()).decode()}]
from_file = ask("log_prob_encoded", image_bytes=encoded)["bits_per_dimension"][0]
print(f"from its PNG {from_file:.4f}, from its numbers {scores['bits_per_dimension'][0]:.4f}")

# %% [markdown]
# What cannot be answered is an error with a sentence:

# %%
try:
    ask("log_prob", images=images[:, :4].tolist())
except urllib.error.HTTPError as error:
    print(error.code, json.load(error)["error"])

# %% [markdown]
# ## Ask over gRPC
#
# For many images: tensors travel as bytes. The stubs are those of the package
# `tensorflow-serving-api`. Types must be the signature's, uint8 here.

# %%
channel = grpc.insecure_channel(grpc_address)
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)


def ask_grpc(signature, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "digits", signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    answer = stub.Predict(request, timeout=60)
    return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}


everything = ask_grpc("log_prob", images=digits.test.images)
again = ask_grpc("sample_with_temperature", seed=np.int32(seeds), temperature=np.full(8, 0.8, "f4"))
print(f"{len(everything['log_prob'])} images, {everything['bits_per_dimension'].mean():.2f} bits")
print("same samples as over REST:", np.allclose(again["images"], samples, atol=1e-3))
try:
    ask_grpc("log_prob", images=images.astype(np.float32))
except grpc.RpcError as error:
    print(error.code().name, error.details())

# %% [markdown]
# Latents go both ways. Half way between two digits in noise:

# %%
first, last = (np.repeat(images[k : k + 1], 7, 0).astype("f4") + 0.5 for k in (0, 1))
walk = ask_grpc(
    "interpolate", first=first, second=last, weight=np.linspace(0, 1, 7, dtype=np.float32)
)["images"]
_, axis = plt.subplots(figsize=(7, 1.1))
tiles = np.pad(walk[..., 0], ((0, 0), (0, 0), (0, 1)))
axis.imshow(np.hstack(list(tiles)), cmap="gray_r", vmin=0, vmax=16)
axis.set_axis_off()
plt.show()

# %% [markdown]
# ## Stop it
#
# SIGTERM, as a container gets it: requests under way are answered, new ones are refused, and the
# server ends.

# %%
channel.close()
server.terminate()
print(server.communicate(timeout=60)[0].strip(), "Exit status", server.returncode)

# %% [markdown]
# The table of all signatures is on [the page of serving](../how_to/serving.md); what differs from
# TensorFlow Serving, and the same clients as scripts, on [the page of
# clients](../how_to/serving_clients.md).
