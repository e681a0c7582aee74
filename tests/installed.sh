#!/usr/bin/env bash
# What a user does first, from the wheel in an empty virtual environment and outside any checkout:
# demo, train on a folder of photographs, sample, score, export, check, serve and ask.
# usage: tests/installed.sh PYTHON
set -euo pipefail
python=$1
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT

mkdir "$work/source"
git ls-files -z | tar --create --null --files-from - | tar --extract --directory "$work/source"
"$python" -m venv "$work/venv"
bin=$work/venv/bin
"$bin/pip" install --quiet --constraint constraints.txt setuptools
"$bin/pip" wheel --quiet --no-deps --wheel-dir "$work" "$work/source"
"$bin/pip" install --quiet --constraint constraints.txt "$(echo "$work"/*.whl)[training]"
rm -rf "$work/source"
cd "$work"
PATH=$bin:$PATH

# 200 photographs of mixed sizes and formats; some turned, transparent, grey or of 16 bits.
python - <<'PYTHON'
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

Path("photographs/more").mkdir(parents=True)
random = np.random.default_rng(0)
scenes = load_sample_images().images
for number in range(200):
    scene = scenes[number % len(scenes)]
    height, width = random.integers(20, 120, 2)
    top, left = (random.integers(side - most) for side, most in zip(scene.shape, (height, width)))
    crop = Image.fromarray(scene[top : top + height, left : left + width])
    name = Path("photographs", *["more"][: number % 2], f"photograph {number}")
    kind = number % 7
    if kind == 0:
        exif = Image.Exif()
        exif[0x0112] = 6
        crop.save(name.with_suffix(".jpg"), exif=exif)
    elif kind == 1:
        crop.convert("RGBA").save(name.with_suffix(".png"))
    elif kind == 2:
        crop.convert("L").save(name.with_suffix(".png"))
    elif kind == 3:
        deep = np.asarray(crop.convert("L")).astype(np.uint16) * 257
        Image.fromarray(deep).save(name.with_suffix(".png"))
    else:
        crop.save(name.with_suffix((".webp", ".bmp", ".jpeg")[kind - 4]))
PYTHON

says() {
    echo "\$ $*"
    "$@"
}
says tfp-lcma pretrained evaluate digits-lcma
says tfp-lcma sample --pretrained digits-lcma -n 16 -o digits.npz
says tfp-lcma demo --steps 40 --pretrain-steps 20
test -s runs/digits/samples.png -a -s saved_models/digits/1/saved_model.pb
says tfp-lcma train --data photographs --image-size 16 --steps 30 --set training.validate_every=15 \
    --set model.width=8 --set evaluation.draws=1 --no-export
run=runs/photographs-real_nvp
says tfp-lcma sample $run -n 16 --temperature 0.8 --seed 1 -o samples.png
says tfp-lcma score $run photographs -o scores.csv
test "$(python -c 'import csv; print(len(list(csv.DictReader(open("scores.csv")))))')" = 200
says tfp-lcma export $run --export-dir saved_models/photographs
says tfp-lcma check saved_models/photographs
says tfp-lcma score saved_models/photographs photographs -o exported.csv
python - <<'PYTHON'
import csv

first, second = (list(csv.reader(open(name))) for name in ("scores.csv", "exported.csv"))
assert [row[0] for row in first] == [row[0] for row in second]
for one, other in zip(first[1:], second[1:]):
    assert abs(float(one[1]) - float(other[1])) < 1e-3, (one, other)
PYTHON
tfp-lcma serve saved_models/photographs --rest-port 0 --grpc-port 0 >server.txt &
server=$!
until grep -q "^  REST" server.txt; do kill -0 $server; sleep 0.2; done
url=$(sed -n 's/^  REST *//p' server.txt)
says curl --silent --fail --show-error "$url"
answer=$(curl --silent --fail --show-error \
    -d '{"signature_name": "sample", "instances": [[1, 0], [2, 0]]}' "$url:predict")
test "$(echo "$answer" | python -c 'import json, sys; print(len(json.load(sys.stdin)["predictions"]))')" = 2
kill -TERM $server
wait $server
server=
echo "All of it works from $(basename "$work"/*.whl)."
