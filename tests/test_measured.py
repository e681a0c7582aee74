"""Tables of speed and of anomaly scores on pages say what the rows in docs/results say."""

import json
from pathlib import Path

import pytest

from tfp_lcma.training.studies.anomaly.summary import outlier_areas, patch_areas
from tfp_lcma.training.studies.benchmark.summary import entries, fastest, ratio

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
TASKS = "log_prob", "sample", "train_step"


def rows(folder):
    lines = (RESULTS / folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


def table(page, head):
    """Returns the cells of a table by its first column, in the order of the page."""
    lines = text(page).split(f"{head}\n")[1].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def benchmarked(study):
    return {entry.implementation: entry for entry in entries(rows(study), "glow") if entry.rows}


# Of both tables of Glow beside other libraries.
NAMES = {
    "**tfp_lcma**, steps in a loop (the default at this depth)": "ours",
    "**tfp_lcma**, loop (the default without XLA)": "ours",
    "**tfp_lcma**, unrolled": "ours-unrolled",
    '**tfp_lcma**, loop, `memory="invert"`': "ours-invert",
    "**tfp_lcma**, XLA": "ours-xla",
    '**tfp_lcma**, XLA, `memory="invert"`': "ours-invert-xla",
    "**tfp_lcma**, XLA, networks in bfloat16": "ours-bfloat16-xla",
    "`tfb.Glow`": "tfp",
    "`tfb.Glow`, XLA": "tfp-xla",
    "nflows": "nflows",
    "normflows": "normflows",
}


def test_seconds_beside_other_libraries():
    found = benchmarked("benchmark")
    lines = table("docs/results/README.md", "| | log_prob | sample | training step | peak memory |")
    assert len(lines) == 9
    for name, *cells in lines:
        if name in NAMES:
            of = [found[NAMES[name]]] * len(TASKS)
        else:
            of = [fastest(list(found.values()), "floor", task) for task in TASKS]
        seconds = [f"{e.seconds(task).middle:.3f}" for e, task in zip(of, TASKS, strict=True)]
        assert cells == [*seconds, f"{of[0].median('peak_megabytes'):,.0f} MB"], name


def ratios(found, name):
    every = list(found.values())
    return [ratio(found[name], fastest(every, "peer", task), task).middle for task in TASKS]


def test_ratios_on_a_gpu():
    found = benchmarked("gpu")
    lines = table("docs/how_to/gpu.md", "| | log_prob | sample | training step | peak memory, MB |")
    assert len(lines) == 9
    for name, *cells in lines:
        expected = [f"{value:.2f}" for value in ratios(found, NAMES[name])]
        memory = found[NAMES[name]].median("peak_megabytes")
        assert cells == [*expected, f"{memory:.0f}"], name


def test_ratios_in_sentences():
    here, gpu = benchmarked("benchmark"), benchmarked("gpu")
    loop, unrolled, xla, invert = (
        ratios(here, name) for name in ("ours", "ours-unrolled", "ours-xla", "ours-invert")
    )
    on_gpu = ratios(gpu, "ours-xla")
    for page, sentence in (
        ("README.md", f"takes {loop[2]:.2f} of the time of the best for a training step (under "
         f"XLA {xla[2]:.2f}) and {loop[1]:.1f} for sampling; under XLA on an NVIDIA H200 "
         f"{on_gpu[2]:.2f} and {on_gpu[1]:.2f}"),
        ("docs/results/README.md", f"takes {loop[2]:.2f} of that of the best (normflows), "
         f"unrolled {unrolled[2]:.2f}, under XLA {xla[2]:.2f}, and {invert[2]:.2f} by inversion"),
        ("docs/results/README.md", f"for a training step, {on_gpu[0]:.2f} for log_prob and "
         f"{on_gpu[1]:.2f} for sampling"),
    ):  # fmt: skip
        assert sentence in " ".join(text(page).split()), f"the rows of {page} say: {sentence}"


PUBLISHED = {
    "**tfp_lcma**, XLA": "ours-xla",
    '**tfp_lcma**, XLA, `memory="invert"`': "ours-invert-xla",
    "**tfp_lcma**, XLA, networks in bfloat16": "ours-bfloat16-xla",
    "**tfp_lcma**": "ours",
    '**tfp_lcma**, `memory="invert"`': "ours-invert",
    "**tfp_lcma**, networks in bfloat16": "ours-bfloat16",
    "normflows": "normflows",
}


def test_glow_at_its_published_size():
    head = "| | batch | steps a second | memory of a step, MB | first step, s |"
    for name, batch, *cells in table("docs/how_to/gpu.md", head):
        float32 = "_float32" if name.endswith(", TF32 off") else ""
        found = {row["implementation"]: row for row in rows(f"gpu/published_{batch}{float32}")}
        row = found[PUBLISHED[name.removesuffix(", TF32 off")]]
        first = row["first_step_seconds"]
        assert cells == [
            f"{1 / row['step_seconds']:.1f}",
            f"{row['peak_megabytes']:,.0f}",
            f"{first:.1f}" if first < 1 else f"{first:.0f}",
        ], (name, batch)


# Where a table calls outliers otherwise than the rows.
OUTLIERS = {
    "black image": "black",
    "one grey, every intensity once": "constant, every intensity once",
    "digits, enlarged": "digits",
    "Fashion-MNIST, shrunk": "fashion_mnist",
}
PHOTOGRAPHS = {"digits": "photos16", "fashion_mnist": "photos32"}
PATCHES = "another test image", "uniform noise", "one colour", "nothing (control)"


@pytest.mark.parametrize(("study", "half"), [("digits", 0), ("fashion_mnist", 1)])
def test_areas_of_anomaly_scores(study, half):
    found = rows(f"anomaly/{study}")
    areas = [
        outlier_areas(found, score)
        for score in ("bits_per_dimension", "typicality", "complexity_corrected")
    ]
    names = OUTLIERS | {"photographs, grey": PHOTOGRAPHS[study]}
    head = (
        "| outliers | digits: bits/dim | typicality | corrected "
        "| Fashion-MNIST: bits/dim | typicality | corrected |"
    )
    for name, *cells in table("docs/how_to/anomaly_scores.md", head):
        of = [by_name.get(names.get(name, name)) for by_name in areas]
        expected = [
            "" if a is None else f"**{a.value:.2f}**" if a.reversed else f"{a.value:.2f}"
            for a in of
        ]
        assert cells[3 * half : 3 * half + 3] == expected, name


@pytest.mark.parametrize(("study", "half"), [("digits", 0), ("fashion_mnist", 1)])
def test_areas_of_anomaly_maps(study, half):
    areas = patch_areas(rows(f"anomaly/{study}"))
    head = (
        "| map | digits: patch of another digit | noise | one grey | nothing "
        "| Fashion-MNIST: patch of another image | noise | one grey | nothing |"
    )
    for name, *cells in table("docs/how_to/anomaly_scores.md", head):
        expected = [f"{areas[f'{name}, window 3'][patch].value:.2f}" for patch in PATCHES]
        assert cells[4 * half : 4 * half + 4] == expected, name
