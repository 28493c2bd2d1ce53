"""What a failed run tells: the failed policies, once each, and a comparison of the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from daf.compare.files import compare_files
from daf.compare.partial import RunFiles, after_a_failure
from daf.config import ExperimentConfig
from daf.episodes.table import episodes_frame, read_episodes, write_episodes
from daf.statistics.results import ComparisonResults
from daf.system.files import write_json
from daf.workflow.plan import Plan

EXPERIMENT: dict[str, Any] = {
    "missions": {"hall": {"source": "training_facility_1", "max_steps": 10}},
    "training": {"lesson": {"mission": "hall", "seeds": [1, 2]}},
    "policies": {"learner": {"training": "lesson"}, "calm": "random", "broken": "noop"},
    "comparisons": {
        "main": {
            "policies": ["learner", "calm", "broken"],
            "missions": ["hall"],
            "episodes_per_mission": 4,
            "num_resamples": 100,
        }
    },
}
LABELS = ("learner-seed-1", "learner-seed-2", "calm", "broken")
CAUSE = "LookupError: no layer (my_policies.py:22 in forward)"
PAGE = "comparisons/main/report.html"
CHECK = "evaluations/check.json"


def model(seed: int) -> str:
    return f"training/lesson/seed-{seed}/model.safetensors"


def table(label: str) -> str:
    return f"evaluations/{label}/hall/episodes.parquet"


class Run:
    """A run of the experiment that made only some of its files, seed 1 of its training having failed."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.out = folder / "out"
        experiment = {**EXPERIMENT, "daf": {"output_dir": str(self.out)}, **changes}
        self.plan = Plan(ExperimentConfig.from_dict(experiment))
        self.planned = {model(1), model(2), PAGE, CHECK, *map(table, LABELS)}
        self.record = self.out / "training/lesson/seed-1/state/failed-run.json"
        write_json(self.record, {"status": "failed", "reason": CAUSE})
        self.made = {model(2)}
        self.recipes: dict[str, dict[str, Any]] = {}
        (self.out / model(2)).parent.mkdir(parents=True)
        (self.out / model(2)).touch()

    def play(self, label: str, failures: Sequence[str | None] = (None,) * 4) -> Path:
        """Write the table of a checkpoint's episodes; the reward is 0.25 per episode number."""
        policy, _, seed = label.partition("-seed-")
        rows = [
            {
                "policy": policy,
                "checkpoint": label,
                "train_seed": int(seed) if seed else None,
                "mission": "hall",
                "episode": number,
                "env_seed": 1_000_000 + number,
                "mean_reward": None if failure else 0.25 * number,
                "failure": failure,
            }
            for number, failure in enumerate(failures)
        ]
        shard = {"recipe_digest": "0" * 64, "note": "", "mission": {"name": "hall", "success": None}}
        write_episodes(self.out / table(label), episodes_frame(rows), {"shards": [shard]})
        self.made.add(table(label))
        return self.out / table(label)

    def end(self) -> list[str]:
        def paths(names: Iterable[str]) -> set[str]:
            return {str(self.out / name) for name in names}

        return after_a_failure(self.plan, RunFiles(paths(self.planned), paths(self.made), self.recipes))

    @property
    def partial(self) -> Path:
        return self.out / "comparisons/main/partial"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_every_failed_policy_is_named_once_with_its_cause(run: Run) -> None:
    run.play("learner-seed-2")
    run.play("calm", [None, None, None, "ValueError: rare"])
    run.play("broken", ["KeyError: 'x' (p.py:3 in step)", "KeyError: 'y'", "KeyError: 'z'", None])
    listed, _ = run.end()
    assert listed.split("\n    ") == [
        "Failed so far:",
        f"training lesson with seed 1 failed: {CAUSE} ({run.record})",
        "broken on hall: 3 of 4 failed, the first with KeyError: 'x' (p.py:3 in step)",
    ]


def test_the_others_are_compared_and_lost_episodes_are_failures_with_their_cause(run: Run) -> None:
    for label in LABELS[1:]:
        run.play(label)
    (_, sentence) = run.end()
    assert sentence == (
        "Comparison main is incomplete, since training of learner failed. "
        f"Until it succeeds, {run.partial}/report.html compares the other policies. "
        "Correct the cause and run the same command again, which repeats only what is "
        "missing, or take learner out of the comparisons."
    )
    lost = read_episodes(run.partial / table(LABELS[0]))
    assert lost["failure"].tolist() == [f"training lesson with seed 1 failed: {CAUSE}"] * 4
    assert lost["env_seed"].tolist() == [1_000_000, 1_000_001, 1_000_002, 1_000_003]
    results = ComparisonResults.read(run.partial)
    rows = {
        row.policy: (None if math.isnan(row.mean) else row.mean, row.failures, row.first_failure)
        for row in results.summary
        if row.mission == "hall"
    }
    why = f"training lesson with seed 1 failed: {CAUSE}"
    assert rows == {"learner": (None, 4, why), "calm": (0.375, 0, None), "broken": (0.375, 0, None)}
    assert CAUSE in (run.partial / "report.html").read_text()


@pytest.mark.parametrize("outdated", [False, True])
def test_without_the_episodes_of_another_policy_nothing_is_compared(outdated: bool, run: Run) -> None:
    """An outdated table, as an earlier run left it, does not count."""
    run.play("learner-seed-2")
    run.play("broken")
    if outdated:
        run.play("calm")
        run.made.remove(table("calm"))
    (_, sentence) = run.end()
    path = run.out / table("calm")
    assert (
        f"Until it succeeds, the other policies are not compared, since {path} has not been made, either." in sentence
    )
    assert not run.partial.exists()


def test_a_partial_comparison_replaces_the_earlier_one_and_a_complete_one_removes_it(run: Run) -> None:
    played = [run.play(label) for label in LABELS[1:]]
    run.partial.mkdir(parents=True)
    (run.partial / "old.csv").write_text("from an earlier run")
    run.end()
    assert not (run.partial / "old.csv").exists()
    assert (run.partial / "summary.csv").is_file()
    played.append(run.play(LABELS[0]))
    compare_files(played, run.plan.episodes.comparison("main"), run.partial.parent)
    assert not run.partial.exists()
    assert (run.partial.parent / "summary.csv").is_file()


def test_a_comparison_that_waits_for_the_policies_of_another_is_made_too(tmp_path: Path) -> None:
    main = EXPERIMENT["comparisons"]["main"]
    comparisons = {"main": main, "scripted": {**main, "policies": ["calm", "broken"]}}
    run = Run(tmp_path, comparisons=comparisons)
    run.planned.add("comparisons/scripted/report.html")
    for label in LABELS[1:]:
        run.play(label)
    (_, main_sentence, sentence) = run.end()
    assert "comparisons/main/partial/report.html compares" in main_sentence
    assert sentence.startswith("Comparison scripted is incomplete, since training of learner failed.")
    assert "comparisons/scripted/partial/report.html compares" in sentence
    results = ComparisonResults.read(run.out / "comparisons/scripted/partial")
    assert {row.policy for row in results.summary} == {"calm", "broken"}


def test_what_the_check_has_named_is_not_named_again(run: Run) -> None:
    """It ran if no table is missing: here, the training that failed is that of another policy."""
    for label in LABELS:
        run.play(label, ["KeyError: 'x'"] * 4)
    listed, _ = run.end()
    assert listed == f"Failed so far:\n    training lesson with seed 1 failed: {CAUSE} ({run.record})"
    run.planned.remove(CHECK)  # the run's target was the page alone
    assert run.end()[0].count("KeyError: 'x'") == 4


def test_of_what_the_run_was_not_to_make_nothing_is_said(run: Run) -> None:
    run.play("broken", ["KeyError: 'x'"] * 4)
    run.planned, run.made = {"sweeps/s/best.json"}, set()
    assert run.end() == []
    run.planned = {model(1)}
    assert [text.partition(" (")[0] for text in run.end()] == [
        f"Failed so far:\n    training lesson with seed 1 failed: {CAUSE.partition(' (')[0]}"
    ]


def test_damaged_files_are_named_and_hide_no_other_failure(run: Run) -> None:
    run.record.write_text('{"status": "fai')
    run.play("calm").write_bytes(b"PAR1")
    run.play("broken", ["KeyError: 'x'"] * 4)
    listed, _ = run.end()
    training, calm, broken = listed.split("\n    ")[1:]
    assert training.startswith("training lesson with seed 1 failed, for a reason that cannot be read: ")
    assert training.endswith(f"({run.record})")
    assert calm.startswith(f"{run.out / table('calm')} cannot be read: ")
    assert broken == "broken on hall: 4 of 4 failed, the first with KeyError: 'x'"


def test_the_record_of_an_earlier_recipe_says_nothing_about_this_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    recipe = run.plan.learning.training("lesson", 1).to_dict()
    run.recipes = {str(run.out / model(1)): recipe}
    write_json(run.record, {"status": "failed", "reason": CAUSE, "recipe": recipe})
    assert CAUSE in run.end()[0]
    for older in ({**recipe, "num_steps": 1}, {**recipe, "code": {"files": {"my_policies.py": "0"}}}, {}):
        write_json(run.record, {"status": "failed", "reason": CAUSE, "recipe": older})
        assert not any(CAUSE in sentence for sentence in run.end())


def test_what_a_sweep_has_decided_does_not_make_a_record_old(tmp_path: Path) -> None:
    sweep = {"mission": "hall", "search_space": {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2}}}
    training = {"lesson": {"mission": "hall", "seeds": [1, 2], "sweep": "knobs"}}
    run = Run(tmp_path, sweeps={"knobs": sweep}, training=training)
    recipe = run.plan.learning.training("lesson", 1).to_dict()
    run.recipes = {str(run.out / model(1)): recipe}
    tuned = {**recipe, "hyperparameters": {**recipe["hyperparameters"], "learning_rate": 0.007}}
    write_json(run.record, {"status": "failed", "reason": CAUSE, "recipe": tuned})
    assert CAUSE in run.end()[0]
    write_json(run.record, {"status": "failed", "reason": CAUSE, "recipe": {**tuned, "num_steps": 1}})
    assert not any(CAUSE in sentence for sentence in run.end())
