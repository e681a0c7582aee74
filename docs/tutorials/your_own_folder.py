# %% [markdown]
# # Your own folder: train, look, find the odd ones, serve
#
# Most of this page is command line, `tfp-lcma`, which comes with the package's extra `training`. It
# takes a folder of image files, whatever their size, trains a flow on them, scores other files by
# it, and serves it.
#
# The pictures here are tiles of a microscope slide, a stained section of tissue that scikit-image
# ships. The question is the usual one of inspection: you have many pictures of what is normal and
# none of what may go wrong. Which of tomorrow's pictures should a person look at?

# %%
import csv
import json
import os
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFilter

import tfp_lcma as lcma
from tfp_lcma.training.data.pixels import PixelSettings, read_pixels

os.chdir(tempfile.mkdtemp())  # everything below is written there

# %% [markdown]
# ## The folders
#
# `pictures/` has 900 tiles of 32×32 pixels from the upper three quarters of the slide: what is
# normal. `new/` has 60 from the rest, and four each of five things that go wrong. One of its files
# is damaged, as happens in folders.

# %%
slide = Image.fromarray(skimage.data.immunohistochemistry())
random = np.random.default_rng(0)


def tile(top, bottom):
    """Returns a tile from a place between two rows of the slide."""
    x, y = random.integers(slide.width - 32), random.integers(top, bottom - 32)
    return slide.crop((x, y, x + 32, y + 32))


def dust(picture):
    x, y = map(int, random.integers(4, 20, 2))
    ImageDraw.Draw(picture).ellipse((x, y, x + 8, y + 6), fill=(40, 60, 40))
    return picture


def pen(picture):
    left, right = map(int, random.integers(32, size=2))
    ImageDraw.Draw(picture).line((0, left, 32, right), fill=(20, 120, 60), width=3)
    return picture


faults = {
    "dust": dust,
    "pen": pen,
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(3)),
    "stain": lambda picture: Image.merge("RGB", picture.split()[::-1]),
    "glass": lambda picture: Image.new("RGB", picture.size, (240, 240, 238)),
}

for folder in ("pictures", "new"):
    Path(folder).mkdir()
for number in range(900):
    tile(0, 384).save(f"pictures/tile_{number:03}.png")
for number in range(60):
    tile(384, 512).save(f"new/tile_{number:02}.png")
for name, fault in faults.items():
    for number in range(4):
        fault(tile(384, 512)).save(f"new/{name}_{number}.png")
with open("new/damaged.png", "wb") as file:
    file.write(Path("new/tile_00.png").read_bytes()[:300])


# %%
def show(files):
    """Shows image files in a row, with their names."""
    _, panels = plt.subplots(1, len(files), figsize=(10, 12 / len(files)))
    for axes, file in zip(panels, files, strict=True):
        axes.imshow(Image.open(file))
        axes.set_title(Path(file).stem, fontsize=7)
        axes.set_axis_off()
    plt.show()


def run(command):
    """Runs a command as a shell does, and prints what it says."""
    print(subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout)


show(sorted(Path("pictures").iterdir())[:12])
show([f"new/{name}_{number}.png" for name in faults for number in range(2)])

# %% [markdown]
# ## Train
#
# One command reads the folder, sets a tenth of the files aside to validate and another tenth to
# test, trains, evaluates, draws and exports. The choices here are for a page that is made in a
# minute: images of 16×16, few steps, Glow with the split of its paper. For a model that you want to
# use, leave out `--steps` and `--set`, and give it `--image-size 32` and an hour; interrupted, the
# same command carries on where it was.

# %%
run(
    "tfp-lcma train --data pictures --image-size 16 --model glow --factorization channel"
    " --steps 300 --set training.learning_rate=2e-3 --set training.validate_every=50"
    " --run-dir runs/tiles --export-dir saved_models/tiles"
)

# %% [markdown]
# The unit is bits per dimension: how many bits each colour of a pixel takes if images are
# compressed by means of the flow. Eight would be no compression at all.
#
# ## Look
#
# The run's folder has the numbers (`metrics.json`), the settings (`recipe.toml`, which `--config`
# takes back), the model for Keras (`model.keras`), which file is on which side (`files.csv`), and
# pictures; `report.html` shows all of it on one page. Look at the samples first: what a flow draws
# is what it takes for normal.

# %%
of_test = json.loads(Path("runs/tiles/metrics.json").read_text())["test"]
print(
    f"{of_test['images']} test images: {of_test['bits_per_dimension']:.2f}"
    f" ± {of_test['standard_error']:.2f} bits per dimension"
)
print(*sorted(path.name for path in Path("runs/tiles").glob("[!.]*.*")))

_, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), width_ratios=(1, 1.3))
left.imshow(Image.open("runs/tiles/samples.png"))
left.set_title("samples.png", fontsize=10)
right.imshow(Image.open("runs/tiles/training_curves.png"))
right.set_title("training_curves.png", fontsize=10)
for axes in (left, right):
    axes.set_axis_off()
plt.show()

# %% [markdown]
# Colours and textures are those of the slide; larger structures need larger images and a longer
# training.
#
# ## Find the odd ones
#
# `score` makes pixels of every file as they were made for training, and writes a table.

# %%
run("tfp-lcma score runs/tiles new -o scores.csv --maps maps")
run("head -4 scores.csv")

# %% [markdown]
# There are two scores, higher is odder:
#
# - `bits_per_dimension`: what the flow needs for the image.
# - `complexity_corrected`: the same, less what a PNG file needs for it. A flow finds *simple*
#   images likely whether or not they show what it was trained on; the correction takes that away.
#
# `rank` goes by the second. The twelve oddest of the folder:

# %%
with open("scores.csv", newline="") as file:
    scores = list(csv.DictReader(file))
readable = [row for row in scores if not row["error"]]
ranked = sorted(readable, key=lambda row: int(row["rank"]))
show([row["file"] for row in ranked[:12]])
print("not readable:", *(row["error"] for row in scores if row["error"]))

# %% [markdown]
# What kind does either score find? The table gives the area under the ROC curve: the share of pairs
# of a fault and a normal tile in which the fault has the higher score. 1 is perfect, 0.5 is
# guessing, and below it the fault looks more normal than what is normal.

# %%
columns = ("bits_per_dimension", "complexity_corrected")


def scores_of(kind, column):
    """Returns a column of the rows whose file's name begins with a kind."""
    rows = (row for row in readable if Path(row["file"]).name.startswith(kind))
    return np.array([float(row[column]) for row in rows])


print(f"{'fault':14}{'bits/dim':>10}{'corrected':>11}")
for kind in faults:
    areas = [
        np.mean(scores_of(kind, column)[:, None] > scores_of("tile", column)) for column in columns
    ]
    print(f"{kind:14}{areas[0]:10.2f}{areas[1]:11.2f}")

# %% [markdown]
# Empty glass and blurred tiles are simple, and plain bits take them for normal. The corrected score
# is the one to begin with; [anomaly scores](../how_to/anomaly_scores.md) measures both, and says
# where they fail.
#
# `--maps` wrote a heat map for every file, the image on the left, on the right bright where it is
# unlikely. Glow's maps have the resolution of its 2×2 blocks.

# %%
show([next(Path("maps").glob(f"*-{name}.png")) for name in ("dust_0", "pen_1")])

# %% [markdown]
# ## From Python
#
# The run's `model.keras` is a Keras model. `read_pixels` makes pixels of a file as the commands do.

# %%
model = keras.saving.load_model("runs/tiles/model.keras")
settings = PixelSettings(height=16, width=16, channels=3)
files = ["new/tile_00.png", *(f"new/{fault}_0.png" for fault in faults)]
images = np.stack([read_pixels(file, settings) for file in files])
bits = model.bits_per_dimension(images)
print("bits/dim ", bits.round(2))
print("corrected", lcma.anomaly.complexity_corrected(bits, images).round(2))

# %% [markdown]
# ## Serve
#
# `train` has exported a SavedModel for TensorFlow Serving: `saved_models/tiles/1`. `tfp-lcma serve`
# is a small server of the same API for trying it out, with a page to draw on;
# [serving](../how_to/serving.md) says how TensorFlow Serving itself is started. In a terminal it is
#
# ```
# tfp-lcma serve saved_models/tiles
# ```
#
# and a page of this kind starts it in the background, at any free ports:

# %%
server = subprocess.Popen(
    ["tfp-lcma", "serve", "saved_models/tiles", "--rest-port", "0", "--grpc-port", "0"],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
)
address = next(line.split()[1] for line in server.stdout if line.split()[0] == "REST")


def predict(signature, **inputs):
    """Asks the server for one signature of the model."""
    columns = {name: np.asarray(value).tolist() for name, value in inputs.items()}
    body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
    with urllib.request.urlopen(f"{address}:predict", body) as response:
        return json.load(response)["outputs"]


answer = predict("log_prob", images=images)
print("the server and Keras agree:", np.allclose(answer["bits_per_dimension"], bits, rtol=1e-4))

seeds = np.stack([np.arange(12), np.zeros(12, int)], axis=1)
drawn = np.array(predict("sample", seed=seeds)) / model.bins
plt.figure(figsize=(10, 1))
plt.imshow(np.hstack(drawn))
plt.axis("off")
plt.title("drawn by the server", fontsize=10)
plt.show()

server.terminate()
print("the server has ended:", server.wait() == 0)

# %% [markdown]
# ## Where to go from here
#
# - [Your own images](../how_to/your_own_images.md): what becomes of a file, classes from
#   subfolders, folders larger than memory.
# - [Clients](../how_to/serving_clients.md) of the server: REST, gRPC, curl.
# - [Classes and Bayes' rule](classes_and_bayes.py), if your folder has subfolders: `train
#   --labels`.
