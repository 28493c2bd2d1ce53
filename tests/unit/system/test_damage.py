"""Damage is never believed: of random bit flips in every kind of file that DAF reads back, none changes what is read
without an error, or a warning, that names the file."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from daf.config import DAFComparisonConfig, DAFSweepConfig
from daf.distributed.failures import Cause, Failure, read_failures, record_failure
from daf.engine.model_files import read_weights, weights_bytes
from daf.episodes.table import episodes_frame, read_episodes, read_provenance, write_episodes
from daf.errors import BadInputError, DafError
from daf.packaging.bundle import write_zip
from daf.search.files import propose_trial, read_assignment, read_prior, read_proposal, read_results
from daf.statistics.comparison import compare_episodes
from daf.statistics.results import ComparisonResults
from daf.system.archives import Archive
from daf.system.files import append_json_line, file_sha256, write_bytes, write_json
from daf.system.job_records import JobRecord
from daf.system.json_files import read_own_json
from daf.system.tables import read_parquet, write_parquet
from daf.training.checkpoints import load_newest_checkpoint, save_checkpoint
from daf.training.metrics_file import read_metrics
from daf.training.outcome import TrainingOutcome, read_run_record
from daf.training.paths import RUN

FLIPS = 60
Reader = Callable[[Path], Any]
SWEEP = DAFSweepConfig(
    name="s", search_space={"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}}, num_trials=2
)
RESULT = {
    "trial": 0, "status": "completed", "hyperparameters": {"learning_rate": 0.003}, "objective": 0.075, "seconds": 1.5,
    "agent_steps": 1024, "seed": 7, "recipe_digest": "0" * 64, "provenance": {"seeds": {"training": 7}},
}  # fmt: skip
EPISODE = {
    "policy": "p", "checkpoint": "p", "mission": "m", "env_seed": 1000, "mean_reward": 0.5, "length": 3, "timeouts": 0,
    "agent_rewards": [0.25, 0.75], "actions": b"\x00\x01",
}  # fmt: skip


def result(path: Path) -> Reader:
    write_json(path, RESULT)
    return lambda path: read_results([path])


def proposal(path: Path) -> Reader:
    write_json(path, propose_trial(SWEEP, 0, []))
    return lambda path: (read_assignment(path), read_proposal(path))


def trials(path: Path) -> Reader:
    kept = {name: RESULT[name] for name in ("trial", "status", "hyperparameters", "objective", "seconds")}
    direction = {"objective_metric": SWEEP.objective_metric, "optimize_direction": SWEEP.optimize_direction}
    write_json(path, {"sweep": "s", **direction, "trials": [kept]})
    return lambda path: read_prior(path, SWEEP)


def description(path: Path) -> Reader:
    """Of a model, a package, a leaderboard, …: JSON with texts, numbers, lists and digests."""
    content = {"weights_sha256": "ab" * 32, "format_version": 1, "tags": ["ä", "wall"], "recipe": {"rate": 0.1, "n": 3}}
    write_json(path, content)
    return read_own_json


def comparison(path: Path) -> Reader:
    rng = np.random.default_rng(0)
    rows = [
        {"policy": policy, "checkpoint": policy, "train_seed": None, "mission": "m", "episode": episode,
         "env_seed": episode, "mean_reward": rng.normal(), "failure": None}
        for policy in "ab" for episode in range(4)
    ]  # fmt: skip
    config = DAFComparisonConfig(policies=["a", "b"], missions=["m"], num_resamples=100)
    compare_episodes(pd.DataFrame(rows), config).write(path.parent)
    return lambda path: ComparisonResults.read(path.parent).to_dict()


def run_record(path: Path) -> Reader:
    write_json(path, {"status": "completed", "agent_steps": 100, "seconds": 2.5, "recipe": {"seed": 1}})
    return lambda path: read_run_record(path.parent)


def outcome(path: Path) -> Reader:
    TrainingOutcome(status="paused", reason="early", agent_steps=100, seconds=2.5).write(path)
    return TrainingOutcome.read


def job_record(path: Path) -> Reader:
    JobRecord(rule="r", inputs={"a.json": "0" * 64}, outputs={"b.json": "1" * 64}).write(path)
    return JobRecord.read


def metrics(path: Path) -> Reader:
    for update in range(4):
        append_json_line(path, {"update": update, "agent_steps": 64 * update, "loss": 0.25 * update})
    return read_metrics


def failures(path: Path) -> Reader:
    for rank in range(3):
        record_failure(path.parent, Failure(cause=Cause.ERROR, reason="ä", rank=rank))
    return lambda path: read_failures(path.parent)


def episodes(path: Path) -> Reader:
    frame = episodes_frame([{**EPISODE, "episode": episode} for episode in range(3)])
    write_episodes(path, frame, {"recipe_digest": "0" * 64, "shards": []})
    return lambda path: (read_episodes(path).to_dict("list"), read_provenance(path))


def scores(path: Path) -> Reader:
    write_parquet(path, pd.DataFrame({"policy": ["a", "b"], "score": [0.25, 0.5]}))
    return lambda path: read_parquet(path).to_pydict()


def weights(path: Path) -> Reader:
    write_bytes(path, weights_bytes({"w": torch.arange(64.0)}))
    sha256 = file_sha256(path)
    return lambda path: read_weights(path, sha256)["w"].tolist()


def checkpoint(path: Path) -> Reader:
    saved = save_checkpoint(path.parent, 3, {"w": torch.arange(64.0)})
    saved.rename(path.with_name(saved.name))

    def read(path: Path) -> Any:
        state = load_newest_checkpoint(path.parent, logging.getLogger("daf.files").warning)
        return None if state is None else state["w"].tolist()

    return read


def bundle(path: Path) -> Reader:
    write_zip(path, {"policy_spec.json": b"{}", "model.safetensors": bytes(range(256))})
    return lambda path: Archive(path).digests()


KINDS: dict[str, tuple[str, Callable[[Path], Reader]]] = {
    "a trial's result": ("result.json", result),
    "a proposal": ("proposal.json", proposal),
    "trials of a sweep": ("trials.json", trials),
    "a description": ("model.json", description),
    "a comparison": ("comparison.json", comparison),
    "a training run": (RUN, run_record),
    "an outcome": ("outcome.json", outcome),
    "a job's record": ("rule.files.json", job_record),
    "metrics": ("metrics.jsonl", metrics),
    "failures": ("failures.jsonl", failures),
    "episodes": ("episodes.parquet", episodes),
    "scores": ("scores.parquet", scores),
    "weights": ("model.safetensors", weights),
    "a checkpoint": ("checkpoint-*.pt", checkpoint),
    "a bundle": ("bundle.zip", bundle),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_is_believed(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    name, make = KINDS[kind]
    read = make(tmp_path / name)
    path = next(tmp_path.glob(name))
    intact, rng = path.read_bytes(), random.Random(kind)
    expected = repr(read(path))
    endings = {"equal": 0, "refused": 0, "told": 0}
    for _ in range(FLIPS):
        content = bytearray(intact)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        caplog.clear()
        try:
            ending = "equal" if repr(read(path)) == expected else "silent"
        except DafError as error:
            ending = "refused" if path.name in str(error) else f"refused without its name: {error}"
        if ending == "silent" and path.name in caplog.text:
            ending = "told"
        endings[ending] = endings.get(ending, 0) + 1
    print(kind, endings)
    assert endings.keys() == {"equal", "refused", "told"}, endings


def test_the_footer_of_a_table_is_covered(tmp_path: Path) -> None:
    """Checksums of pages do not cover the provenance and the names of columns."""
    path = tmp_path / "episodes.parquet"
    read = episodes(path)
    path.write_bytes(path.read_bytes().replace(b"recipe_digest", b"recipe_digesu"))
    with pytest.raises(BadInputError, match="other bytes than its daf"):
        read(path)


def test_the_recipe_of_a_proposal_is_the_one_of_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "proposal.json"
    content = propose_trial(SWEEP, 0, [])
    write_json(path, content | {"recipe": content["recipe"] | {"seed": 5}})
    with pytest.raises(BadInputError, match="a recipe with the digest"):
        read_assignment(path)


def test_files_of_an_earlier_version_are_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for folder in ("a", "b"):
        write_json(tmp_path / folder / "earlier.json", RESULT, add_digest=False)
        assert read_own_json(tmp_path / folder / "earlier.json") == RESULT
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"{tmp_path / 'a' / 'earlier.json'} has no content_sha256"
    ]
