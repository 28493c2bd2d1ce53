"""Every kind of file that DAF reads: a valid one to start from, and what DAF does with it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from hypothesis import strategies as st

from daf.cluster.settings import ClusterSettings
from daf.compare.files import reason_to_skip
from daf.compare.leaderboard import FORMAT, check_engine, read_leaderboard
from daf.config import DAFComparisonConfig, DAFSweepConfig, ExperimentConfig
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.distributed.elastic_agent import read_reports
from daf.distributed.failures import read_failures
from daf.engine.missions import check_buildable, resolve_mission
from daf.engine.model_files import ModelDescription, load_model_description, read_weights, weights_bytes
from daf.engine.policies import resolve_policy
from daf.episodes.objective import episode_objective
from daf.episodes.statistics import episode_statistics
from daf.episodes.success import EpisodeFacts, check_success_expression, is_success, statistics_in
from daf.episodes.table import (
    EPISODE_COLUMNS,
    episodes_frame,
    read_episodes,
    read_provenance,
    read_shard_records,
    write_episodes,
)
from daf.packaging.bundle import policy_spec, write_zip
from daf.packaging.manifest import contents, read_manifest
from daf.packaging.registry import FolderRegistry
from daf.reporting.comparison_page import MissionReport, _mission_items
from daf.reporting.learning_curves import metric_curves
from daf.search.files import (
    propose_trial,
    read_assignment,
    read_entry,
    read_finalist,
    read_prior,
    read_results,
    validate_sweep,
)
from daf.search.plan import SweepPlan
from daf.statistics.comparison import compare_episodes
from daf.statistics.results import ComparisonResults
from daf.statistics.score_files import read_scores
from daf.statistics.scores import to_episodes
from daf.system.files import digest
from daf.system.provenance import engine_stamp
from daf.system.validated import read_record
from daf.tournament.files import read_tournament
from daf.training.metrics_file import read_metrics
from daf.training.outcome import TrainingOutcome, read_run_record
from daf.training.run import BestTrial
from daf.workflow.configuration import read_experiment, refuse_repeated_keys
from daf.workflow.plan import Plan, mission_recipes
from tests.fuzz.harness import Kind
from tests.fuzz.mutations import SCALARS, as_json, as_lines, as_yaml, damaged, documents, expressions, mistaken
from tests.tournament_results import made_up_tournament

PROJECT = Path(__file__).parents[2]
SHA = "0" * 64

# ---- configuration ------------------------------------------------------------------------------------------

EXPERIMENT: dict[str, Any] = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text()) | {
    "evaluation": {"episodes_per_shard": 8, "objective_metric": "length", "replays": ["best"]},
    "policies": {
        "trained": {"training": "miner"},
        "random": "random",
        "file": {"data_path": "~/weights.safetensors"},
        "mixed": {"policies": {"trained": 1, "random": 0.5}},
        "mine": {"class_path": "my.module.Policy", "init_kwargs": {"size": 8, "names": ["a"]}},
    },
}
EXPERIMENT["comparisons"] = {
    "main": {
        "policies": ["trained", "random"],
        "missions": ["tutorial.miner", "miner_pair"],
        "episodes_per_mission": "auto",
        "normalization": {"low": "random", "high": {"tutorial.miner": 3.0, "miner_pair": 2}},
        "reference": "random",
    }
}
SWEEP = {
    "name": "s",
    "search_space": {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
        "num_envs": [8, 16],
        "init_kwargs.size": {"type": "int", "low": 8, "high": 64},
    },
    "num_trials": 4,
    "strategy": "random",
}
CLUSTER = {"account": "me", "cpu_partition": "cpu", "max_memory_mb": 64000, "max_minutes": 600, "modules": ["cuda"]}


def plan(path: Path) -> None:
    """What happens before the engine is asked."""
    experiment = ExperimentConfig.from_dict(read_experiment([path], {"daf": {"seed": "7"}}), source=str(path))
    digest(experiment.to_dict())
    planned = Plan(experiment)
    mission_recipes(experiment)
    for name in experiment.sweeps:
        planned.learning.sweep_plan(name)
    for name, run in experiment.training.items():
        for seed in run.seeds[:2]:
            digest(planned.learning.training(name, seed).to_dict())


def start_sweep(path: Path) -> None:
    config = DAFSweepConfig.from_yaml(path)
    validate_sweep(config)
    SweepPlan(config, {})
    digest(propose_trial(config, 0, []))


def use_cluster(path: Path) -> None:
    settings = ClusterSettings.from_yaml(path)
    settings.partition("True"), settings.gpus(1), settings.memory_mb(1), settings.minutes(1)


def build_mission(path: Path) -> None:
    check_buildable(resolve_mission(str(path)))


# ---- expressions --------------------------------------------------------------------------------------------

FACTS = EpisodeFacts(mean_reward=1.5, length=20, game_stats={"a": 1.0}, agent_stats=[{"a": 2.0}, {"b": 0.0}])


def evaluate(path: Path) -> None:
    expression = path.read_bytes().decode()
    check_success_expression(expression, "success")
    is_success(expression, FACTS)
    statistics_in(expression)
    episode_objective(FACTS, None, expression)


# ---- results ------------------------------------------------------------------------------------------------


def episodes() -> pd.DataFrame:
    """Two policies on two missions."""
    common: dict[str, Any] = dict.fromkeys(EPISODE_COLUMNS)
    return episodes_frame(
        {
            **common, "policy": policy, "checkpoint": policy, "mission": mission, "episode": episode,
            "env_seed": 10 + episode, "mean_reward": (episode * number) % 3 / 2, "agent_rewards": [0.5, 1.0],
            "success": episode % 2 == 0, "length": 20, "timeouts": 0, "action_counts": '{"noop": 3}',
            "game_stats": '{"a": 1.0}', "agent_stats": '[{"b.gained": 1.0}, {"b.lost": 2.0}]', "actions": b"xyz",
        }
        for number, policy in enumerate(("random", "noop"), start=2)
        for mission in ("one", "two")
        for episode in range(6)
    )  # fmt: skip


def comparison() -> dict[str, Any]:
    config = DAFComparisonConfig(policies=["random", "noop"], missions=["one", "two"], num_resamples=100)
    found: dict[str, Any] = compare_episodes(episodes(), config, provenance={"success": {}}).to_dict()
    return found


def read_comparison(path: Path) -> None:
    results = ComparisonResults.read(path.parent)
    str(results)
    for mission in results.missions:
        results.scale(mission)
    results.episode_scores(), results.scores(), results.pairwise, results.aggregates, results.ranks, results.profiles
    results.summary_statistics, results.verdicts("recipes", overall_only=False), results.to_dict()


def use_tournament(path: Path) -> None:
    results = read_tournament(path)
    str(results), repr(results), results._repr_html_(), results.to_dict(), results.verdicts
    for table in ("values", "seat_values", "contributions", "cross_play", "rankings", "line_ups"):
        getattr(results, f"{table}_table")


def parquet() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episodes.parquet"
        write_episodes(path, episodes(), {"shards": [{"note": "", "recipe_digest": SHA, "mission": {"name": "one"}}]})
        return path.read_bytes()


@st.composite
def other_tables(draw: st.DrawFn) -> bytes:
    """Tables with wrong columns, types and provenance."""
    frame = episodes().astype(object)
    column = draw(st.sampled_from(list(frame.columns)))
    match draw(st.sampled_from(["drop", "fill", "text"])):
        case "drop":
            frame = frame.drop(columns=column)
        case "fill":
            frame[column] = draw(SCALARS.filter(lambda value: not isinstance(value, int) or abs(value) < 2**63))
        case "text":
            frame["agent_stats"] = draw(SCALARS.map(str)).encode(errors="replace").decode()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, UnicodeEncodeError):
        return b""
    provenance = draw(mistaken({"shards": [{"note": "", "recipe_digest": SHA, "mission": {"name": "one"}}]}))
    table = table.replace_schema_metadata({b"daf.provenance": as_json(provenance)})
    pq.write_table(table, stream := io.BytesIO())
    return stream.getvalue()


def use_episodes(path: Path) -> None:
    frame = read_episodes(path)
    read_provenance(path), read_shard_records(path)
    episode_statistics(frame)


def leaderboard() -> dict[str, Any]:
    entry = {
        "policy": "random", "identity": SHA, "class_path": "random", "train_seeds": [1], "mean_rank": 1.0, "mean": 2.0,
        "missions": {"one": {"mean": 2.0, "interval_low": 1.0, "n_episodes": 8}}, "provenance": {"created": "2026"},
    }  # fmt: skip
    engine = {name: engine_stamp().get(name) for name in ("cogames", "mettagrid")}
    return {"format": FORMAT, "engine": engine, "boards": {"b": {"setting": {"suite": "b"}, "entries": [entry]}}}


def use_leaderboard(path: Path) -> None:
    from daf.compare import leaderboard

    content = read_leaderboard(path)
    check_engine(path)
    for board in content["boards"].values():
        leaderboard._rank(board["entries"], ["one"])
    leaderboard._table(content).to_csv()


TRIAL = {
    "trial": 0, "status": "completed",
    "hyperparameters": {"learning_rate": 0.001, "num_envs": 8, "init_kwargs.size": 9},
    "objective": 1.5, "seconds": 2.0, "curve": [0.5, None], "agent_steps": 100, "seed": 3, "rung": 0, "reason": None,
}  # fmt: skip
ASSIGNMENT = {
    "trial": 0, "seed": 3, "hyperparameters": {"learning_rate": 0.001}, "rung": 0, "pruning_thresholds": [None, 0.5],
    "skip": None, "objective": 1.0,
}  # fmt: skip
TRIALS = {"sweep": "s", "objective_metric": "mean_reward", "optimize_direction": "maximize", "trials": [TRIAL] * 2}
RUN = {
    "status": "failed", "cause": "rank_killed", "reason": "why", "agent_steps": 10, "seconds": 1.5, "processes": {},
    "evaluations": [{"agent_steps": 5, "objective": 1.0}], "published": None, "restarts": [], "steps_per_second": 3.0,
    "recipe": {}, "provenance": {},
}  # fmt: skip
METRICS = [
    {
        "update": n,
        "agent_steps": n * 10,
        "episode_reward": 1.0,
        "actions": {"noop": 1.0},
        "memory_mb": 1.5,
        "loss": None,
    }
    for n in range(3)
]
FAILURE = {
    "cause": "error", "reason": "why", "rank": 0, "host": "h", "update": 1, "agent_steps": 5,
    "parts": ["a", "b", "c", "d"], "symptom": False, "time": 1.0,
}  # fmt: skip


ANALYSIS = {
    "policy": "random", "num_episodes": 8, "mean_reward": 1.5, "success_rate": None,
    "failure_modes": [{"name": "stuck", "share": 0.5}],
}  # fmt: skip


def use_report(path: Path) -> None:
    _mission_items(read_record(path, MissionReport))


def use_metrics(path: Path) -> None:
    metric_curves({"run": read_metrics(path)}, "episode_reward")


def use_registry(path: Path) -> None:
    registry = FolderRegistry(path.parents[1])
    registry.current(path.parent.name), registry.history(path.parent.name)
    registry.deployed()


# ---- models and packages ------------------------------------------------------------------------------------


def description() -> dict[str, Any]:
    from daf.config import Hyperparameters, MissionConfig

    mission = MissionRecipe(name="one", config=MissionConfig(source="one"), sha256=None)
    recipe = TrainingRecipe(
        mission=mission, policy_class_path="grid", init_kwargs={}, hyperparameters=Hyperparameters(), num_steps=1,
        seed=1, world_size=1,
    )  # fmt: skip
    return ModelDescription(
        format_version=1, policy_class_path="daf.engine.grid_policy.GridPolicy", init_kwargs={},
        recipe_digest=recipe.digest, recipe=recipe.to_dict(), agent_steps=1, engine=engine_stamp(), mission="one",
        action_names=["noop"], vibe_action_names=[], observation_shape=[4, 3], egocentric_shape=[3, 3],
        observation_features=["0 a / 1"], tags=["t"], weights_sha256=SHA,
    ).model_dump(mode="json")  # fmt: skip


def weights() -> bytes:
    import torch

    return weights_bytes({"a": torch.zeros(3, 2), "b": torch.ones(4)})


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


SPEC = {"class_path": "mettagrid.policy.random_agent.RandomMultiAgentPolicy", "data_path": None, "init_kwargs": {}}


def bundle() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.zip"
        members = {"policy_spec.json": policy_spec(SPEC["class_path"], None, {}), "my.py": b"x = 1\n" * 50}
        write_zip(path, members)
        return path.read_bytes()


BUNDLES = st.one_of(
    damaged(bundle()),
    documents(SPEC, as_json).map(lambda spec: zipped({"policy_spec.json": spec, "code.py": b"x = 1\n" * 100})),
    damaged(zipped({"policy_spec.json": as_json(SPEC), "code.py": b"x = 1\n" * 100})),
    st.sampled_from(
        [
            zipped({"policy_spec.json": as_json(SPEC), "bomb": bytes(150_000_000)}),
            zipped({"policy_spec.json": as_json(SPEC), "../x": b""}),
            zipped({"policy_spec.json": as_json(SPEC), "lzma": b"x" * 99}, zipfile.ZIP_LZMA),
            zipped({}),
        ]
    ),
)
MANIFEST = {
    "name": "p", "version": "0.1.0", "sha256": SHA, "size_bytes": 1, "files": {"a": SHA}, "class_path": "a.B",
    "policy": "a", "init_kwargs": {}, "engine": {"cogames": "1"}, "recipe_digest": SHA, "mission": None,
    "observation_shape": [1, 2], "action_names": ["noop"], "provenance": {}, "created": "2026",
}  # fmt: skip


# ---- score tables -------------------------------------------------------------------------------------------

SCORES = [
    {"policy": policy, "mission": "one", "train_seed": seed, "episode": episode, "score": 0.5 * episode}
    for policy in ("a", "b")
    for seed in (1, 2)
    for episode in range(3)
]


def as_table(document: Any) -> bytes:
    try:
        frame = pd.DataFrame(document if isinstance(document, list) else [document])
        return frame.to_csv(index=False).encode(errors="surrogatepass")
    except (ValueError, TypeError, OverflowError, AttributeError):  # not a table any more
        return as_json(document)


def use_scores(path: Path) -> None:
    to_episodes(read_scores(path), str(path))


def scores_parquet() -> bytes:
    pd.DataFrame(SCORES).to_parquet(stream := io.BytesIO(), index=False)
    return stream.getvalue()


# ---- all ----------------------------------------------------------------------------------------------------


def of_document(name: str, file: str, document: Any, read: Callable[[Path], object], share: float = 1) -> Kind:
    """A kind whose files are JSON, JSON lines, YAML or tables, by the ending of their name."""
    write = {".yaml": as_yaml, ".json": as_json, ".jsonl": as_lines, ".csv": as_table}[Path(file).suffix]
    return Kind(
        name=name, file=file, valid=write(document), inputs=documents(document, write), read=read, share=share
    )  # fmt: skip


def of_bytes(
    name: str, file: str, valid: bytes, read: Callable[[Path], object], *others: st.SearchStrategy[bytes]
) -> Kind:
    """A kind whose files are binary."""
    return Kind(name=name, file=file, valid=valid, inputs=st.one_of(damaged(valid), *others), read=read)


def kinds() -> list[Kind]:
    """Every kind, with the file that it reads inside a folder."""
    return [*configurations(), *expression_kinds(), *results_of_sweeps(), *other_results(), *models(), *score_tables()]


def configurations() -> list[Kind]:
    mission = yaml.safe_load((PROJECT / "config" / "missions" / "assembler_2.yaml").read_text())
    profile = (PROJECT / "profiles" / "slurm" / "config.v9+.yaml").read_bytes()
    return [
        of_document("experiment", "e.yaml", EXPERIMENT, plan, share=3),
        of_document("experiment, JSON", "e.json", EXPERIMENT, plan),
        of_document("sweep", "s.yaml", SWEEP, start_sweep),
        of_document("mission", "m.yaml", mission, build_mission),
        of_document("mission, JSON", "m.json", mission, build_mission),
        of_document("cluster", "cluster.yaml", CLUSTER, use_cluster),
        of_bytes("profile", "p.yaml", profile, lambda path: refuse_repeated_keys([path])),
    ]


def expression_kinds() -> list[Kind]:
    valid = b"agent_sum('a') >= 1 and length < 30"
    return [Kind(name="success expression", file="x.txt", valid=valid, inputs=expressions(), read=evaluate, share=3)]


def results_of_sweeps() -> list[Kind]:
    sweep = DAFSweepConfig.from_dict(SWEEP)
    promotions = {"sweep": "s", "rung": 1, "bracket": 0, "entries": {"0": ASSIGNMENT}}
    finalists = {"sweep": "s", "finalists": [ASSIGNMENT], "seeds": [3]}
    recipe = {"recipe": {"lag": 1}, "recipe_digest": digest({"lag": 1})}
    best = {"trial": 1, "hyperparameters": {"learning_rate": 0.1}, "objective": 1.0}
    return [
        of_document("trials.json", "t.json", TRIALS, lambda path: read_prior(path, sweep)),
        of_document("result.json", "r.json", TRIAL, lambda path: read_results([path])),
        of_document("history block", "h.json", TRIALS, lambda path: read_results([path])),
        of_document("proposal.json", "p.json", {**ASSIGNMENT, **recipe}, read_assignment),
        of_document("promotions", "b.json", promotions, partial(read_entry, entry=0)),
        of_document("finalists.json", "f.json", finalists, partial(read_finalist, rank=0, index=0)),
        of_document("best.json", "b.json", best, lambda path: read_record(path, BestTrial)),
    ]


def other_results() -> list[Kind]:
    ranks = {"failures": [FAILURE] * 2}
    outcome = {key: RUN[key] for key in ("status", "cause", "reason", "agent_steps", "seconds")}
    history = [{"action": "deploy", "version": f"0.{number}.0", "from": None} for number in range(3)]
    pointer = {"name": "p", "version": "0.1.0", "sha256": SHA, "package": "x", "since": "2026"}
    interim = {"done": True, "interim_analyses": [{"episodes": 8}]}
    report = {"mission": "one", "analyses": [ANALYSIS], "metadata": {"num_agents": 2}}
    return [
        of_document("comparison.json", "comparison.json", comparison(), read_comparison),
        of_document(
            "tournament",
            "results.json",
            made_up_tournament("a", "b", pool=("x",), episodes=4).to_dict(),
            use_tournament,
        ),
        of_document("interim analysis", "i.json", interim, lambda path: reason_to_skip([path])),
        of_document("mission report", "m.json", report, use_report),
        of_document("leaderboard", "l.json", leaderboard(), use_leaderboard),
        of_document("run.json", "run.json", RUN, lambda path: read_run_record(path.parent)),
        of_document("outcome.json", "outcome.json", outcome, TrainingOutcome.read),
        of_document("metrics.jsonl", "metrics.jsonl", METRICS, use_metrics),
        of_document("failures.jsonl", "failures.jsonl", [FAILURE] * 2, lambda path: read_failures(path.parent)),
        of_document("report of ranks", "agent-a-1.json", ranks, lambda path: read_reports(path.parent)),
        of_document("registry history", "history.jsonl", history, use_registry),
        of_document("registry pointer", "current.json", pointer, use_registry),
        of_bytes("episodes.parquet", "episodes.parquet", parquet(), use_episodes, other_tables()),
    ]


def models() -> list[Kind]:
    return [
        of_bytes("bundle", "b.zip", bundle(), resolve_policy, BUNDLES),
        of_bytes("package", "p.zip", bundle(), contents),
        of_document("manifest", "p.manifest.json", MANIFEST, lambda path: read_manifest(path.with_name("p.zip"))),
        of_bytes("model.safetensors", "model.safetensors", weights(), read_weights),
        of_document("model.json", "model.json", description(), load_model_description),
    ]


def score_tables() -> list[Kind]:
    return [
        of_document("scores.csv", "s.csv", SCORES, use_scores),
        of_bytes("scores.parquet", "s.parquet", scores_parquet(), use_scores),
    ]
