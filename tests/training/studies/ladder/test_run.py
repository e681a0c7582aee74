"""A ladder runs what is missing, in the order of its plan, and shares it with other processes."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.training.studies.ladder.made_up import BEHIND, write_plan
from tests.training.tiny import tiny_dataset, tiny_recipe
from tfp_lcma.training.runs.progress import Progress
from tfp_lcma.training.runs.run_lock import own_turn, run_lock
from tfp_lcma.training.studies.compare import finalists, study
from tfp_lcma.training.studies.compare.images import ImagesFile
from tfp_lcma.training.studies.ladder import run
from tfp_lcma.training.studies.ladder.plan import read_plan
from tfp_lcma.training.studies.ladder.run import Ladder, left
from tfp_lcma.training.studies.results import ResultsFile

WHOLE = [
    *((80, arm, seed) for seed in (10, 11, 12) for arm in ("checkerboard", "lcma")),
    *((40, arm, seed) for seed in range(3) for arm in BEHIND),
    *((80, "haar", seed) for seed in (10, 11, 12)),
]  # fmt: skip


@pytest.fixture
def calls(monkeypatch):
    """Runs that take no time: the steps, arm and seed of each."""
    calls = []

    def measure(recipe, dataset, factorization, seed, *, arm, steps, folder, **others):
        assert (recipe.steps, folder.name) == (steps, str(steps))
        assert (recipe.pretrain_steps, recipe.validate_every) == (steps // 2, steps // 20)
        calls.append((steps, arm, seed))
        bits = np.full(4, 3.0 + seed + BEHIND[arm][0])
        ImagesFile(folder / "images.npz").add("validation", arm, seed, bits, None)
        return {
            "steps": steps, "seconds": steps * 36.0, "model": arm, "image_bits": "images.npz",
            "validation": {"bits_per_dimension": bits.mean()},
        }  # fmt: skip

    monkeypatch.setattr(study, "measure", measure)
    monkeypatch.setattr(study.Study, "_factorization", lambda *_: None)
    monkeypatch.setattr(study.Study, "_twin", lambda *_: None)
    monkeypatch.setattr(study.Study, "_pretraining_cost", lambda *_: None)
    monkeypatch.setattr(finalists.keras.saving, "load_model", lambda path: path)
    monkeypatch.setattr(finalists.evaluation, "image_bits", lambda *_: np.zeros(4, np.float32))
    monkeypatch.setattr(finalists.evaluation, "mean_bits", lambda *_: {"bits_per_dimension": 0.0})
    return calls


@pytest.fixture
def ladder(tmp_path):
    plan = read_plan(write_plan(tmp_path / "plan"))
    quiet = Progress(quiet=True)
    return Ladder(plan, tiny_recipe(), tiny_dataset(), tmp_path / "runs", "try", quiet)


def test_runs_come_in_the_order_of_the_plan_once(ladder, calls):
    ladder.run()
    assert calls == WHOLE
    ladder.run()
    assert calls == WHOLE
    tested = [(r["arm"], r["seed"]) for r in ResultsFile(ladder.folder / "80/test.jsonl").rows()]
    assert sorted(tested) == [
        (a, s) for a in ("checkerboard", "haar", "lcma") for s in (10, 11, 12)
    ]
    assert not (ladder.folder / "40/test.jsonl").exists()


def test_killed_it_carries_on(ladder, calls, monkeypatch):
    measure = study.measure

    def killed(*arguments, **named):
        if len(calls) == 9:
            raise KeyboardInterrupt
        return measure(*arguments, **named)

    monkeypatch.setattr(study, "measure", killed)
    with pytest.raises(KeyboardInterrupt):
        ladder.run()
    monkeypatch.setattr(study, "measure", measure)
    ladder.run()
    assert calls == WHOLE


def test_a_rung_that_others_may_not_share_is_waited_for(ladder, calls, monkeypatch):
    said = []
    monkeypatch.setattr(Progress, "say", lambda _, text: said.append(text))
    with contextlib.ExitStack() as other:
        other.enter_context(run_lock(ladder.folder / "80"))
        monkeypatch.setattr(run.time, "sleep", lambda _: other.close())
        ladder.run()
    assert said.count("Waiting for the other processes, which are at what is left.") == 1
    assert calls[:15] == [found for found in WHOLE if found[0] == 40]
    assert sorted(calls) == sorted(WHOLE)


def test_what_another_process_is_at_is_left_to_it_and_done_if_it_dies(ladder, calls, monkeypatch):
    theirs = [(80, "lcma", 11), (40, "haar", 0)]
    with contextlib.ExitStack() as other:
        for steps, arm, seed in theirs:
            folder = ladder.folder / str(steps)
            other.enter_context(run_lock(folder, shared=True))
            assert other.enter_context(own_turn(folder, f"{arm}-{seed}", True))
        monkeypatch.setattr(run.time, "sleep", lambda _: other.close())
        ladder.run()
    # What is chosen by the seeds that select waits for the last of them.
    assert calls == [
        *(found for found in WHOLE[:21] if found not in theirs), *theirs, *WHOLE[21:]
    ]  # fmt: skip


def test_several_share_a_ladder(ladder, calls, monkeypatch):
    # Locks are those of open files, which threads do not share either.
    monkeypatch.setattr(run, "_PAUSE", 0.01)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: ladder.run(), range(3))) == [None] * 3
    assert sorted(calls) == sorted(WHOLE)
    for steps, file, count in ((80, "results", 9), (80, "test", 9), (40, "results", 15)):
        assert len(ResultsFile(ladder.folder / f"{steps}/{file}.jsonl").rows()) == count
    with np.load(ladder.folder / "40/images.npz") as images:
        assert len(images.files) == 15


def test_what_is_left_is_told_by_the_time_of_finished_runs(ladder, calls):
    # Of the plan, 36 s a step, and then of the runs, as many.
    assert left(ladder.plan, ladder.folder) == "15 h 0 min"
    ladder.run()
    assert left(ladder.plan, ladder.folder) == "0 s"
