"""A plan, and the folder that its runs leave, made up."""

from tests.training.studies.compare.study_folder import SETTINGS, result
from tfp_lcma.training.runs.settings import keep_settings
from tfp_lcma.training.studies.results import ResultsFile

PLAN = """
data = "digits"
model = "real_nvp"
baseline = "checkerboard"
select_seeds = "0-2"
report_seeds = "10-12"
own = ["haar", "channel", "complement"]
best = 1
chosen_at = 40

[settings]
"evaluation.draws" = 2

[measured]
step_seconds = 36.0
note = "made up"
hours = 20.4

[[runs]]
steps = 80
seeds = "report"
arms = ["checkerboard", "lcma"]

[[runs]]
steps = 40
seeds = "select"
arms = ["checkerboard", "lcma", "haar", "channel", "complement"]

[[runs]]
steps = 80
seeds = "report"
arms = ["best"]

[[questions]]
ask = "Does LCMA beat the checkerboard?"
arms = ["lcma"]
against = "checkerboard"
by = 0.0

[[questions]]
ask = "Is any of them better than the checkerboard by 0.10?"
arms = ["lcma", "best"]
against = "checkerboard"
by = 0.1

[[questions]]
ask = "Does the best beat LCMA?"
arms = ["best"]
against = "lcma"
by = 0.0
"""
# What an arm is behind by, after 40 and after 80 steps.
BEHIND = {
    "checkerboard": (0.0, 0.0),
    "lcma": (0.2, 0.1),
    "haar": (-0.3, -0.2),
    "channel": (-0.1, None),
    "complement": (0.0, None),
}
_NOISE = {0: 0.0, 1: 0.01, 2: -0.01, 10: 0.0, 11: 0.01, 12: -0.01}


def write_plan(folder, text=PLAN):
    """Writes a plan and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.toml").write_text(text)
    return folder / "plan.toml"


def write_runs(folder, rungs=((40, range(3)), (80, range(10, 13)))):
    """Writes what a finished ladder has, without images; test images are as hard."""
    write_plan(folder)
    for place, (steps, seeds) in enumerate(rungs):
        study, report = folder / str(steps), seeds[0] >= 10
        keep_settings(study, SETTINGS | {"steps": steps})
        for arm, behind in BEHIND.items():
            for seed in seeds if behind[place] is not None else ():
                # Noise that arms do not share.
                bits = 3.0 + seed + behind[place] + _NOISE[seed] * len(arm) / 5
                row = result(arm, seed, bits) | {"steps": steps, "best_step": steps - place * 70}
                row |= {"seconds": 1800.0 * steps / 40, "machine": f"machine {place}"}
                ResultsFile(study / "results.jsonl").append(row | {"report": report})
                if report:
                    test = {"arm": arm, "seed": seed, "command": "t", "test": row["validation"]}
                    ResultsFile(study / "test.jsonl").append(test)
    return folder
