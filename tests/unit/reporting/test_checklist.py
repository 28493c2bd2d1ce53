"""The reporting checklist: answered from records where they know it, open where they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from daf.comparison import ComparisonResults, daf_compare_scores
from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.reporting.checklist import reporting_checklist, write_checklist_of_files
from daf.statistics.comparison import compare_episodes
from daf.visualization import daf_checklist

BEST = {
    "sweep": "tune", "trial": 3, "hyperparameters": {"learning_rate": 0.01}, "objective": 1.0,
    "objective_metric": "mean_reward", "optimize_direction": "maximize", "seed": 1, "num_trials": 12,
    "num_completed": 11, "num_failed": 1, "confirmation": None, "recipe_digest": "d",
}  # fmt: skip


def run_file(folder: Path, seed: int, **changes: Any) -> Path:
    record = {
        "status": "completed", "agent_steps": 2_000_000, "seconds": 5400.0,
        "processes": {"ranks": [{"name": "cpu"}, {"name": "cpu"}]},
        "published": {"agent_steps": 1_500_000, "objective": 2.0}, "evaluations": [{}, {}, {}, {}],
        "recipe": {"hyperparameters": {"learning_rate": 0.01}},
    }  # fmt: skip
    path = folder / "training" / "miner" / f"seed-{seed}" / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record | changes))
    return path


@pytest.fixture
def results() -> ComparisonResults:
    rows = [
        {"policy": policy, "mission": "m", "score": 0.1 * ((3 * e + s) % 7) + mean, "episode": e}
        | ({"seed": s} if policy != "random" else {"seed": None})
        for policy, mean in (("mine", 2.0), ("theirs", 1.0), ("random", 0.0))
        for s in range(3 if policy != "random" else 1)
        for e in range(8)
    ]
    return daf_compare_scores(rows, num_resamples=200)


def answers(results: ComparisonResults, word: str, **records: Any) -> tuple[tuple[str, ...], str]:
    (item,) = [item for item in reporting_checklist(results, **records) if word in item.question]
    return item.answers, item.open


def test_what_the_records_of_training_know_is_filled_in(tmp_path: Path, results: ComparisonResults) -> None:
    runs = {"mine": [run_file(tmp_path, 1), run_file(tmp_path, 2)]}
    best = tmp_path / "best.json"
    best.write_text(json.dumps(BEST))
    records = {"training_runs": runs, "sweeps": {"mine": best}}
    unknown = "unknown for theirs"
    assert answers(results, "training steps", **records) == (("mine: 2,000,000 agent-steps",), unknown)
    assert answers(results, "compute", **records) == (("mine: 1.5 hours on 2 x cpu",), unknown)
    assert answers(results, "Which checkpoint", **records) == (
        ("mine: the best of 4 held-out evaluations, at 1,500,000 agent-steps",),
        unknown,
    )
    assert answers(results, "How were hyper", **records) == (
        ("mine: best of 12 trials of sweep tune (1 failed), by mean reward per agent",),
        "say how those of theirs were chosen, with how many trials",
    )
    assert answers(results, "What are the hyper", **records) == (("mine: learning_rate 0.01",), unknown)


def test_runs_that_differ_are_listed_apart_and_the_last_weights_are_called_so(
    tmp_path: Path, results: ComparisonResults
) -> None:
    last = {"agent_steps": 3_000_000, "published": {"agent_steps": 3_000_000, "objective": None}, "evaluations": []}
    runs = {"mine": [run_file(tmp_path, 1), run_file(tmp_path, 2, **last)]}
    found, _ = answers(results, "training steps", training_runs=runs)
    assert found == ("mine: 2,000,000 agent-steps; 3,000,000 agent-steps",)
    found, _ = answers(results, "Which checkpoint", training_runs=runs)
    assert found[0].endswith("; the last one, at 3,000,000 agent-steps")


def test_what_no_record_knows_is_open(tmp_path: Path, results: ComparisonResults) -> None:
    assert answers(results, "training steps") == ((), "unknown for mine, theirs")
    assert answers(results, "learning curves") == ((), "show the learning curves of each training seed")
    text = daf_checklist(results, tmp_path / "c.md").read_text()
    assert "- [ ] **How many training steps did each policy get?**\n  - open: unknown for mine, theirs" in text
    assert "- [x] **How many training seeds has each policy?**\n  - mine: 3 training seeds" in text
    assert "random: not trained here, so it counts as one fixed policy" in text
    with pytest.raises(BadInputError, match=r"expected: a policy of this comparison"):
        daf_checklist(results, tmp_path / "c.md", training_runs={"mien": []})


def test_environment_seeds_are_named_if_they_are_known(results: ComparisonResults) -> None:
    question = "on which environment seeds"
    opening = "give the number of episodes behind each score, and their environment seeds"
    assert answers(results, question) == (("m: not recorded (8 episodes, numbered 0 to 7)",), opening)
    rows = [{"policy": policy, "mission": "m", "seed": s, "score": s + offset}
            for policy, offset in (("a", 0.0), ("b", 0.5)) for s in range(3)]  # fmt: skip
    single = daf_compare_scores(rows, num_resamples=100)
    assert answers(single, question) == (("m: not recorded (one score per run)",), opening)

    config = DAFComparisonConfig.from_dict({"policies": ["a", "b"], "missions": ["m", "k"], "num_resamples": 100})
    played = [("a", "m", 7), ("a", "m", 8), ("b", "m", 7), ("a", "k", 9), ("b", "k", 9)]
    frame = pd.DataFrame(played, columns=["policy", "mission", "env_seed"]).assign(mean_reward=1.0)
    assert answers(compare_episodes(frame, config), question) == (
        ("k: 9 to 9 (1 seed), the same for all policies", "m: 7 to 8 (2 seeds), of which some policies lack some"),
        "",
    )


def test_the_workflow_writes_it_from_its_files(tmp_path: Path, results: ComparisonResults) -> None:
    folder = results.write(tmp_path / "comparison")
    best = tmp_path / "sweeps" / "tune" / "best.json"
    best.parent.mkdir(parents=True)
    best.write_text(json.dumps(BEST))
    training = {
        "mine": {"runs": ["miner/seed-1"], "sweep": "tune"},
        "theirs": {"runs": ["miner/seed-2"], "sweep": None},
    }
    files = [run_file(tmp_path, 2, agent_steps=7), run_file(tmp_path, 1)]
    text = write_checklist_of_files(folder, folder / "checklist.md", training, files, [best]).read_text()
    assert "mine: 2,000,000 agent-steps\n  - theirs: 7 agent-steps\n" in text
    assert "say how those of theirs were chosen" in text
    assert "report.html, section Training" in text
