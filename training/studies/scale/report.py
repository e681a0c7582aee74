"""What was measured of several processes and of their input: a table and a picture."""

import json
from pathlib import Path

import numpy as np

from tfp_lcma.files import written_whole
from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure
from tfp_lcma.training.reports.tables import markdown
from tfp_lcma.training.studies.timing import ratio

_PICTURE = "scale.png"
RESULTS = "results.json"


def write_report(folder: Path) -> Path:
    """Writes the report of `results.json` in a folder; returns its path.

    Raises:
        OSError: the folder holds no results.
    """
    found = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    seconds = {name: np.array(values) for name, values in found["seconds"].items()}
    heads = ["what", "images a second", "beside", "ratio", "95% interval"]
    rows = []
    for name, beside, title, other in (
        ("communicating", "alone", "two processes, communicating", "two that do not"),
        ("arrays", "step", "input from arrays", "training steps"),
        ("files", "step", "input from TFRecord files", "training steps"),
    ):
        # The ratio of speeds is that of times, turned round.
        beat = ratio(seconds[beside], seconds[name])
        speed = f"{found['batch'] / np.median(seconds[name]) * found['steps'].get(name, 1):,.0f}"
        rows.append(
            [title, speed, other, f"{beat.median:.2f}", f"{beat.low:.2f} to {beat.high:.2f}"]
        )
    others = found["others"]
    noise = "" if others is None else f" Other programs used {others:.2f} processors meanwhile."
    text = [
        "# Two processes and input beside training steps",
        f"{found['flow']}, {found['processor']}, {found['processors']} processors. Medians of "
        f"{found['rounds']} rounds, taken in turn; processes of one thread each.{noise}",
        markdown(heads, rows),
        f"![Images a second]({_PICTURE})",
        f"`{found['command']}`",
    ]
    path = folder / "report.md"
    with written_whole(path) as temporary:
        temporary.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    _draw(folder / _PICTURE, found, seconds)
    return path


def _draw(path, found, seconds):
    figure = new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    rounds = np.arange(1, found["rounds"] + 1)
    for name, label in (("alone", "without communication"), ("communicating", "communicating")):
        images = found["batch"] * found["steps"][name] / seconds[name]
        left.plot(rounds, images, "o-", label=f"two processes, {label}")
    left.set(xlabel="round", ylabel="images a second")
    left.set_ylim(bottom=0)
    left.legend()
    names = {"step": "training step", "files": "input: TFRecord", "arrays": "input: arrays"}
    speeds = [found["batch"] / np.median(seconds[name]) for name in names]
    right.barh(list(names.values()), speeds)
    right.set(xlabel="images a second", xscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    save_figure(path, figure)
