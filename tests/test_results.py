"""The figures that docs/results/README.md reads off several studies, computed from their rows."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import combine_pvalues, ttest_1samp

from tfp_lcma.training.reports.document import to_markdown
from tfp_lcma.training.studies.compare.comparisons import COMPARISONS
from tfp_lcma.training.studies.compare.images import IMAGES, ImagesFile
from tfp_lcma.training.studies.compare.questions import Answers
from tfp_lcma.training.studies.compare.report import document as study_document
from tfp_lcma.training.studies.compare.summary import summarize
from tfp_lcma.training.studies.ladder.report import document as ladder_document

RESULTS = Path(__file__).parents[1] / "docs" / "results"
SECTION = re.search(r"## Read together\n(.*?)\n## ", (RESULTS / "README.md").read_text(), re.DOTALL)


@cache
def rows(study, file="results"):
    """Returns the rows of a study by arm and seed."""
    lines = (RESULTS / study / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    return {(row["arm"], row["seed"]): row for row in map(json.loads, lines)}


def asked_of(study):
    """Returns all that the report of a study asks."""
    config = json.loads((RESULTS / study / "config.json").read_text(encoding="utf-8"))
    comparison = COMPARISONS[config["comparison"]]
    return Answers(summarize(RESULTS / study, comparison.baseline), comparison)


def differences(study, arm, other, images="validation"):
    """Returns arm − other in bits/dim, one number a seed that both have."""
    table = rows(study, "test" if images == "test" else "results")
    bits = {key: row[images]["bits_per_dimension"] for key, row in table.items()}
    both = [s for a, s in sorted(bits) if a == arm and (other, s) in bits]
    return np.array([bits[arm, s] - bits[other, s] for s in both])


def mean_and_error(values):
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


COMPARED = sorted(
    path.parent
    for path in RESULTS.glob("*/config.json")
    if "comparison" in json.loads(path.read_text(encoding="utf-8"))
)
LADDERS = sorted(path.parent for path in RESULTS.glob("ladder/*/plan.toml"))
WITH_ROWS = [*COMPARED, *(path.parent for path in RESULTS.glob("ladder/*/*/results.jsonl"))]
# What rests on files that are too large to be committed.
UNKEPT = ("## Pictures", "## What the scores follow", "## Difference against steps")


@pytest.mark.parametrize("study", [*COMPARED, *LADDERS], ids=lambda path: path.name)
def test_a_report_says_what_the_rows_say(study):
    document = ladder_document if study in LADDERS else study_document
    parts = [
        [part.strip() for part in re.split(r"^(?=## )", text, flags=re.M)]
        for text in ((study / "report.md").read_text("utf-8"), to_markdown(document(study)))
    ]
    written, made = ([part for part in text if not part.startswith(UNKEPT)] for text in parts)
    assert written == made


@pytest.mark.parametrize("study", WITH_ROWS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_rows_have_the_means_of_their_images(study):
    images = ImagesFile(study / IMAGES)
    for kind, file in (("validation", "results"), ("test", "test")):
        kept = (study / f"{file}.jsonl").exists()
        for row in rows(study.relative_to(RESULTS), file).values() if kept else ():
            for bits in images.of([row], kind).bits.values():
                mean = row[kind]["bits_per_dimension"]
                assert bits.mean(dtype=float) == pytest.approx(mean, abs=1e-6), row["arm"]


def claims(text, section=SECTION[1]):
    """Fails unless the section says this, its lines joined."""
    assert text in " ".join(section.split()), f"the rows say: {text}"


def page_on(subject):
    return (RESULTS.parent / "explanation" / f"{subject}.md").read_text(encoding="utf-8")


def test_lcma_and_the_checkerboard():
    studies = "digits", "fashion_mnist", "photos16", "fashion_mnist_glow"
    pairs = [differences(study, "lcma", "checkerboard", "test") for study in studies]
    behind = sum((pair > 0).sum() for pair in pairs)
    claims(f"is behind at {behind} of {sum(map(len, pairs))} paired seeds")
    p = [ttest_1samp(pair, 0).pvalue for pair in pairs]
    realnvp, all_four = combine_pvalues(p[:3]).pvalue, combine_pvalues(p).pvalue
    claims(f"p = {realnvp:.3f} for the three of RealNVP, {all_four:.3f} with Glow")
    residual = differences("fashion_mnist_residual", "lcma", "checkerboard", "test")
    claims(f"In residual flows it is ahead at {(residual < 0).sum()} of {len(residual)}")


def test_lcma_and_a_random_choice():
    flows = "fashion_mnist", "fashion_mnist_residual", "fashion_mnist_glow", "photos16"
    ahead = [(differences(flow, "lcma", "random-in-block") < 0).sum() for flow in flows]
    claims(f"ahead at {sum(ahead[:3])} of 9 pairs on Fashion-MNIST (RealNVP {ahead[0]} of 3, "
           f"residual flow {ahead[1]} of 3, Glow {ahead[2]} of 3; validation images), "
           f"and at {ahead[3]} of 3 on photographs")  # fmt: skip


def test_in_glow():
    trails = mean_and_error(differences("fashion_mnist_glow", "lcma", "channel", "test"))
    claims(f"trails the channel order by {trails[0]:.3f} ± {trails[1]:.3f} (test)")
    lead = mean_and_error(-differences("fashion_mnist_glow", "no-split", "checkerboard"))
    claims(f"leads the checkerboard by {lead[0]:.3f} ± {lead[1]:.3f}")
    more = -differences("fashion_mnist_glow", "checkerboard-more-time", "checkerboard")
    claims("by {:.4f} ± {:.4f}".format(*mean_and_error(more)))
    latter = asked_of("fashion_mnist_glow").find("checkerboard-more-time", "checkerboard")
    claims(f"Holm-corrected p = {latter.corrected_p:.3f} for the latter")


def test_choices_and_the_seed():
    pairs = [rows("fashion_mnist")["lcma", seed]["pairs"][0][0] for seed in range(3)]
    assert np.argmax(pairs[0]) == np.argmax(pairs[1]) != np.argmax(pairs[2])
    most = [max(pair) for pair in pairs]
    claims(f"in {most[0]}, {most[1]} and {most[2]} of {sum(pairs[0])} blocks")


@pytest.mark.parametrize(
    "arm, steps, wording",
    [
        ("karhunen-loeve-across-images", (100, 200, 400, 700), "{}, {}, {} and {} after"),
        ("learned-convolution", (700, 100), "keeps {} of {} (validation, six seeds)"),
    ],
)
def test_leads_while_training(arm, steps, wording):
    history = {
        key: {look["step"]: look["val_bits_per_dimension"] for look in row["history"]}
        for key, row in rows("photos16").items()
    }
    leads = [
        np.mean([history["checkerboard", s][step] - history[arm, s][step] for s in range(6)])
        for step in steps
    ]
    claims(wording.format(*(f"{lead:.3f}" for lead in leads)))


# By page and heads of a table: its studies, and for every line an arm and what it is compared with.
SHOWN = {
    "LCMA, as published": "lcma",
    "LCMA, position-aware networks": "lcma-position-aware",
    "LCMA, one order a channel": "lcma-channel",
    "the other parity (complement)": "complement",
    "random within blocks": "random-in-block",
    "exit price, one pair a level": "exit-price-level",
    "`Haar`, mean and horizontal stay": "haar",
    "`KarhunenLoeve` of a pre-trained flow": "karhunen-loeve",
    "`KarhunenLoeve` of the images": "karhunen-loeve-images",
    "principal axes of the images, across channels": "karhunen-loeve-across-images",
    "the first channels, Glow's own": "channel",
    "learned 1×1 convolution (control)": "learned-convolution",
}
SPLITS = {name: (arm, "checkerboard") for name, arm in SHOWN.items()}
AUTOREGRESSIVE = "channel-autoregressive"
PRIORS = {
    "channel-autoregressive, equal steps": (AUTOREGRESSIVE, "conditional-gaussian"),
    "channel-autoregressive, equal time": (AUTOREGRESSIVE, "conditional-gaussian-as-long"),
    "standard normal, equal steps": ("standard-normal", "conditional-gaussian"),
    "channel-autoregressive with LCMA per position, against with the channel split": (
        f"{AUTOREGRESSIVE}-lcma",
        AUTOREGRESSIVE,
    ),
}
SHUFFLES = {
    '`"published"`': "entropy-published",
    '`"published"`, ten times its regulariser': "entropy-published-weight-10",
    '`"published"`, without it: the order stays as drawn': "entropy-published-weight-0",
    '`"invariant"`': "entropy-invariant",
    '`"invariant"`, reversed': "entropy-reversed",
    '`"frozen"`': "entropy-frozen",
    '`"coupling"`': "entropy-coupling",
    "a random half of the channels, fixed": "random-channels",
    "learned 1×1 convolution after the squeeze": "learned-convolution",
    "LCMA, one order a channel": "lcma-channel",
    "LCMA, the better half of all channels": "lcma-view",
}
SHUFFLES = {name: (arm, "channel") for name, arm in SHUFFLES.items()}
TABLES = [
    (
        "lcma",
        "digits | Fashion-MNIST | photographs, 16×16",
        "digits fashion_mnist photos16",
        SPLITS,
    ),
    ("lcma", "Glow | residual flow", "fashion_mnist_glow fashion_mnist_residual", SPLITS),
    (
        "exit_priors",
        "Fashion-MNIST, 1,000 steps | photographs, 32×32, 300 steps",
        "fashion_mnist_exit_priors photos32_exit_priors",
        PRIORS,
    ),
    (
        "entropy_informed",
        "Fashion-MNIST, 800 steps | photographs, 32×32, 240 steps",
        "fashion_mnist_shuffles photos32_shuffles",
        SHUFFLES,
    ),
]


@pytest.mark.parametrize(("subject", "header", "studies", "shown"), TABLES)
def test_tables_of_differences(subject, header, studies, shown):
    table = page_on(subject).split(f"| | {header} |\n")[1].split("\n\n")[0]
    for line in table.splitlines()[1:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for study, cell in zip(studies.split(), cells, strict=False):
            if "±" in cell:
                # Either the line or the cell is marked.
                images = "validation" if "ᵛ" in name + cell else "test"
                pairs = differences(study, *shown[name.removesuffix(" ᵛ")], images)
                mean, error = mean_and_error(pairs)
                found = f"{mean:+.3f}".replace("-", "−").replace("−0.000", "0.000")
                assert cell.removesuffix(" ᵛ") == f"{found} ± {error:.3f}", (study, name)


# The ladders of the page on LCMA in its order, and what its tables call their arms.
COMPARED_LONGEST = {
    "photos16_real_nvp": "photographs, RealNVP",
    "fashion_mnist_glow": "Fashion-MNIST, Glow",
    "photos16_glow": "photographs, Glow",
    "fashion_mnist_real_nvp": "Fashion-MNIST, RealNVP",
    "emoji_glow": "emoji, Glow",
}
LONGEST = {
    "LCMA, as published": "lcma",
    "LCMA, one order a channel": "lcma-channel",
    "exit price, one pair a level": "exit-price-level",
    "the first channels, Glow's own": "channel",
    "learned 1×1 convolution (control)": "learned-convolution",
    "the same from a whitening on": "whitened",
    "Gaussian exits from least squares on": "least-squares-exit",
    "both": "whitened-least-squares",
    "principal axes of a pre-trained flow": "karhunen-loeve",
    "the same across channels": "karhunen-loeve-across",
}


LEARNED, BOTH = "learned-convolution", "whitened-least-squares"


def interval(values):
    """Returns a mean with its two-sided 95% t-interval, as pages write it."""
    low, high = ttest_1samp(values, 0).confidence_interval()
    return f"{values.mean():+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")


@pytest.mark.parametrize(
    ("page", "images"),
    [
        ("README.md", "test"),
        ("docs/explanation/lcma.md", "test"),
        ("docs/explanation/lcma.md", "validation"),
    ],
)
def test_differences_after_the_longest_training(page, images):
    text = (RESULTS.parents[1] / page).read_text(encoding="utf-8")
    head = f"| {images} images | {' | '.join(COMPARED_LONGEST.values())} |"
    (table,) = re.findall(rf"^{re.escape(head)}\n(.*?)\n\n", text, re.DOTALL | re.MULTILINE)
    made = []
    for name, arm in LONGEST.items():
        pairs = [
            differences(f"ladder/{ladder}/11200", arm, "checkerboard", images)
            for ladder in COMPARED_LONGEST
        ]
        cells = [interval(values) if len(values) > 1 else "" for values in pairs]
        made.append(f"| {name} | {' | '.join(cells)} |".replace("  |", " |"))
    assert table.splitlines()[1:] == made


def test_the_tables_of_the_longest_training_leave_nothing_out():
    ladders = {path.parent.parent.name for path in RESULTS.glob("ladder/*/11200/test.jsonl")}
    assert ladders == set(COMPARED_LONGEST)
    found = {arm for name in ladders for arm, _ in rows(f"ladder/{name}/11200", "test")}
    assert found == {"checkerboard", *LONGEST.values()}
    seeds = [
        len(differences(f"ladder/{name}/11200", "lcma", "checkerboard", "test"))
        for name in COMPARED_LONGEST
    ]
    assert seeds == [6, 6, 3, 3, 3]
    for page in (page_on("lcma"), (RESULTS.parents[1] / "README.md").read_text("utf-8")):
        claims("six in the first two columns, three in the others", page)


def test_what_to_expect_at_full_size():
    page = page_on("lcma")
    deficits = np.array([
        [
            differences(f"ladder/{ladder}/{steps}", "lcma", "checkerboard").mean()
            for steps in (700, 2_800, 11_200)
        ]
        for ladder in ("photos16_real_nvp", "fashion_mnist_glow")
    ])  # fmt: skip
    said = "{:.3f} at 700 steps, {:.3f} at 2,800 and {:.3f} at 11,200, on Fashion-MNIST in Glow"
    claims(f"{said} {{:.3f}}, {{:.3f}} and {{:.3f}}.".format(*deficits.ravel()), page)
    first, _, last = deficits.T
    power, line = last**2 / first, 2 * last - first
    claims(f"would be {power[0]:.3f} and {power[1]:.3f} after sixteen times as many", page)
    claims(f"as much again, {line[0]:.3f} and {line[1]:.3f}.".replace("-", "−"), page)
    sizes = [
        row["parameters"]
        for path in RESULTS.glob("ladder/*/*/results.jsonl")
        for row in rows(path.parent.relative_to(RESULTS)).values()
    ]
    published = 19_600_000
    claims(f"{published / max(sizes):.0f} to {published / min(sizes):.0f} times as large", page)


def test_with_the_originals_settings():
    columns = [
        (f"ladder/original_{data}/2800", images)
        for data in ("fashion_mnist", "photos16")
        for images in ("test", "validation")
    ]
    for name, arm in (
        ("LCMA, as published", "lcma"),
        ("learned 1×1 convolution (control)", LEARNED),
    ):
        cells = [
            interval(differences(study, arm, "checkerboard", images)) for study, images in columns
        ]
        claims(f"| {name} | {' | '.join(cells)} |", page_on("lcma"))


def test_hours_of_the_ladders():
    hours = {"AMD EPYC": 0.0, "NVIDIA H200": 0.0}
    for path in RESULTS.glob("ladder/*/*/results.jsonl"):
        for row in rows(path.parent.relative_to(RESULTS)).values():
            hours[row["machine"]] += 0 if "same_as" in row else row["seconds"] / 3600
    claims(
        "The rows took {:.0f} hours of cores of an AMD EPYC and {:.0f} hours of processes".format(
            *hours.values()
        ),
        (RESULTS / "README.md").read_text(encoding="utf-8"),
    )


WARM, WARM_BASELINE = (
    "from the pre-trained couplings",
    "checkerboard from the pre-trained couplings",
)


@pytest.mark.parametrize(
    ("name", "other_name", "arm", "other"),
    [
        ("LCMA by four pre-trainings' average", "LCMA by one", "lcma-averaged", "lcma"),
        (f"LCMA {WARM}", "LCMA", "lcma-warm", "lcma"),
        (WARM_BASELINE, "checkerboard", "checkerboard-warm", "checkerboard"),
        (f"LCMA {WARM}", WARM_BASELINE, "lcma-warm", "checkerboard-warm"),
    ],
)
def test_several_pretrainings_and_a_warm_start(name, other_name, arm, other):
    found = [
        interval(differences(f"ladder/{ladder}/2800", arm, other))
        for ladder in ("fashion_mnist_glow", "photos16_real_nvp")
    ]
    claims(f"| {name} | {other_name} | {' | '.join(found)} |", page_on("lcma"))


def test_how_often_lcma_is_behind_after_the_longest_training():
    pairs = [
        differences(f"ladder/{ladder}/11200", "lcma", "checkerboard", "test")
        for ladder in COMPARED_LONGEST
    ]
    behind = sum((pair > 0).sum() for pair in pairs)
    said = f"behind the checkerboard at {behind} of {sum(map(len, pairs))} paired seeds"
    claims(said, (RESULTS.parents[1] / "README.md").read_text(encoding="utf-8"))
    p = [ttest_1samp(pair, 0).pvalue for pair in pairs]
    said += f" on test images (Fisher's combined p = {combine_pvalues(p).pvalue:.3f};"
    claims(f"{said} {combine_pvalues(p[1:]).pvalue:.3f} without the photographs", page_on("lcma"))


@pytest.mark.parametrize(
    ("ladder", "arm", "other", "wording"),
    [
        ("photos16_real_nvp", "whitened", LEARNED, "`whitened` does not: {}"),
        ("photos16_real_nvp", BOTH, LEARNED, "Of both together no difference is seen: {}"),
        ("fashion_mnist_glow", "lcma", "channel", "behind the first channels by {}"),
        ("fashion_mnist_glow", "whitened", LEARNED, "neither way by 0.03: `whitened` {}"),
        ("fashion_mnist_glow", BOTH, LEARNED, "both together {}"),
        ("emoji_glow", "lcma", "channel", "behind the first channels by {}"),
        ("photos16_glow", "lcma", "channel", "neither way by more than 0.03: {}"),
        (
            "fashion_mnist_real_nvp",
            LEARNED,
            "checkerboard",
            "1×1 convolution no difference is seen: {}",
        ),
        ("emoji_glow", LEARNED, "checkerboard", "1×1 convolution no difference is seen: {}"),
    ],
)
def test_intervals_that_the_page_on_lcma_states(ladder, arm, other, wording):
    found = differences(f"ladder/{ladder}/11200", arm, other, "test")
    claims(wording.format(interval(found)), page_on("lcma"))


def lead(study, arm):
    """Returns how far validation images see an arm ahead of the checkerboard, and the interval."""
    values = -differences(f"ladder/{study}", arm, "checkerboard")
    low, high = ttest_1samp(values, 0).confidence_interval()
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f}".replace("-", "−")


def test_leads_and_deficits_that_the_page_on_lcma_states():
    page = page_on("lcma")
    claims(f"had led by {lead('photos16_real_nvp/700', LEARNED)}; validation, three seeds)", page)
    claims(f"both together by {lead('photos16_real_nvp/700', BOTH)})", page)
    both = lead("photos16_real_nvp/700", BOTH).split()[0]
    claims(f"RealNVP by {both}", (RESULTS.parents[1] / "README.md").read_text("utf-8"))
    claims(f"validation images, by {lead('fashion_mnist_glow/11200', BOTH)})", page)
    axes = lead("fashion_mnist_glow/2800", "karhunen-loeve").split()[0]
    claims(f"at 2,800 steps, {axes} ahead of the checkerboard", page)
    prices = "exit-price-level"
    claims(f"checkerboard by {lead('photos16_glow/2800', prices)}; validation, three seeds)", page)
    left = interval(differences("ladder/photos16_glow/11200", prices, "checkerboard"))
    claims(f"no lead is seen: {left[:-1]}; validation)", page)
    designs = [
        differences("ladder/photos16_glow/2800", arm, "checkerboard").mean()
        for arm in ("whitened", "least-squares-exit", BOTH)
    ]
    claims(f"behind by {min(designs):.3f} to {max(designs):.3f}", page)


def test_what_the_page_on_exit_priors_says_of_least_squares():
    arms = "least-squares-exit", "checkerboard-gaussian"
    after = [
        interval(differences(f"ladder/photos16_real_nvp/{steps}", *arms)) for steps in (700, 2_800)
    ]
    said = "by {} bits/dim after 700 steps and {} after 2,800".format(*after)
    claims(said, page_on("exit_priors"))


def test_images_on_which_means_hang():
    study, page = "ladder/fashion_mnist_glow/11200", page_on("lcma")
    kept, tested = ImagesFile(RESULTS / study / IMAGES), rows(study, "test")
    bits = {key: kept.of([row], "test").bits[key[1]] for key, row in tested.items()}
    worst = {key: np.flatnonzero(found > 100) for key, found in bits.items() if found.max() > 100}
    checkerboard, axes = ("checkerboard", 15), ("karhunen-loeve", 13)
    assert set(worst) == {checkerboard, axes}
    two = sorted(worst[checkerboard], key=lambda image: -bits[checkerboard][image])
    said = (
        "two of {:,} test images at {:.0f} and {:.0f} bits/dim, one run of the principal axes has"
    )
    sizes = len(bits[checkerboard]), *bits[checkerboard][two]
    claims(f"{said} the first of them at {{:.0f}},".format(*sizes, bits[axes][two[0]]), page)
    without = {key: np.delete(found, two).mean(dtype=float) for key, found in bits.items()}
    pairs = [without["lcma", seed] - without["checkerboard", seed] for seed in range(10, 16)]
    claims(f"validation images say: LCMA {interval(np.array(pairs))}", page)


def test_bounds_of_dequantizations():
    page = page_on("dequantization")
    studies = sorted(path.name for path in RESULTS.glob("*_dequantization"))
    assert studies
    for study in studies:
        arms = "variational-dequantization", "uniform-dequantization"
        tested = [row["test"] for (arm, _), row in rows(study, "test").items() if arm == arms[0]]
        (draws,) = {row["draws"] for row in tested}
        steps = rows(study)[f"{arms[1]}-as-long", 0]["steps"]
        bits = np.mean([row["bits_per_dimension"] for row in tested])
        found = [
            "{:+.4f} ± {:.4f}".format(*mean_and_error(differences(study, arms[0], other, "test")))
            for other in (arms[1], f"{arms[1]}-as-long")
        ]
        row = (
            f"| {draws} | {len(tested)} | {bits:.4f} | {found[0]} | {found[1]} ({steps:,} steps) |"
        )
        (line,) = (line for line in page.splitlines() if f"(../results/{study}/report.md)" in line)
        assert line.endswith(row.replace("-", "−")), f"the rows say: {row}"


def test_how_small_the_flows_are():
    read = [row for study in COMPARED for row in rows(study.name).values() if "failed" not in row]
    sizes, steps = ([row[key] for row in read] for key in ("parameters", "steps"))
    said = f"({min(sizes):,} to {max(sizes):,} parameters) and trained for {min(steps):,} to"
    claims(f"{said} {max(steps):,} steps", page_on("lcma"))
    published = 19_600_000
    smaller = f"{published / max(sizes):.0f} to {published / min(sizes):.0f} times smaller"
    claims(smaller, page_on("lcma"))


def test_what_the_page_on_lcma_says_of_significance():
    digits, page = asked_of("digits"), page_on("lcma")
    axes, haar, more = (
        digits.find(name, "checkerboard")
        for name in ("karhunen-loeve-images", "haar", "checkerboard-more-time")
    )
    claims(f"(Holm-corrected p = {axes.corrected_p:.3f}, six seeds)", page)
    claims(f"its p of {haar.difference.p:.3f} does not survive", page)
    claims(f"over the report's {digits.count} pairs of arms ({haar.corrected_p:.3f})", page)
    claims(f"the baseline gains {-more.difference.mean:.3f} (validation)", page)
    learned = asked_of("photos16").find("learned-convolution", "checkerboard")
    low, high = learned.difference.interval
    claims(f"interval of {low:.3f} to {high:.3f} over six seeds".replace("-", "−"), page)
    claims(f"(Holm-corrected p = {learned.corrected_p:.3f})", page)


def test_what_the_page_on_jet_says_of_significance():
    asked = asked_of("fashion_mnist32_patches")
    half = asked.find("lcma-channel", "channel").corrected_p
    quarter = asked.find("lcma-channel-quarter", "channel-quarter").corrected_p
    claims(f"(p = {half:.3f} and {quarter:.3f})", page_on("jet"))


PATCHES = [
    # What stays, the choice, its arm, and the arm that it is compared with.
    ("half", "JetFormer's: the first", "channel", "no-split"),
    ("half", "after a learned linear map", "learned-convolution", "channel"),
    ("half", "LCMA, patch by patch", "lcma", "channel"),
    ("half", "LCMA, one order for all patches", "lcma-channel", "channel"),
    ("a quarter", "JetFormer's: the first", "channel-quarter", "no-split"),
    ("a quarter", "after a learned linear map", "learned-convolution-quarter", "channel-quarter"),
    ("a quarter", "LCMA, patch by patch", "lcma-quarter", "channel-quarter"),
    ("a quarter", "LCMA, one order for all patches", "lcma-channel-quarter", "channel-quarter"),
]


@pytest.mark.parametrize(("stays", "choice", "arm", "other"), PATCHES)
def test_choices_on_patches(stays, choice, arm, other):
    page = page_on("jet")
    found = []
    for study in ("photos32_patches", "fashion_mnist32_patches"):
        bits = {key: row["validation"]["bits_per_dimension"] for key, row in rows(study).items()}
        seeds = [seed for name, seed in sorted(bits) if name == arm and (other, seed) in bits]
        values = np.array([bits[arm, seed] - bits[other, seed] for seed in seeds])
        error = f" ± {mean_and_error(values)[1]:.3f}" if len(values) > 1 else ""
        found.append(f"{values.mean():+.3f}{error} ({len(values)})".replace("-", "−"))
    against = "no split" if other == "no-split" else "JetFormer's"
    row = f"| {stays} | {choice} | {against} | {found[0]} | {found[1]} |"
    assert row in page, f"the rows say: {row}"
