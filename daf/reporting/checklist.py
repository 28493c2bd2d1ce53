"""What reviewers ask of an empirical comparison, filled in from its records; what they do not hold is listed as open.

The questions follow the checklist of NeurIPS, Patterson et al. (2024) and Gorsane et al. (2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daf.reporting.objectives import Objective
from daf.search.records import BestFile
from daf.statistics.records import OVERALL
from daf.statistics.results import HEADINGS, ComparisonResults
from daf.statistics.sentences import number
from daf.system.files import write_text
from daf.system.nouns import number_of
from daf.system.validated import read_record
from daf.training.outcome import read_run_record

RunFiles = Mapping[str, Sequence[str | Path]]


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """One question.

    Attributes:
        question: what reviewers ask.
        answers: what the records say, one line each.
        open: what the author still has to answer; empty if nothing.
    """

    question: str
    answers: tuple[str, ...] = ()
    open: str = ""


def reporting_checklist(
    results: ComparisonResults,
    *,
    training_runs: RunFiles | None = None,
    sweeps: Mapping[str, str | Path] | None = None,
    learning_curves: str = "",
) -> list[ChecklistItem]:
    """The checklist of a comparison.

    Args:
        training_runs: by policy, the run.json of each of its training seeds.
        sweeps: by policy, the best.json of the sweep that chose its hyperparameters.
        learning_curves: where they are shown; empty: nowhere.

    Raises:
        BadInputError: a file is missing or damaged, or belongs to no policy of the comparison.
    """
    runs = {policy: [read_run_record(Path(path).parent) for path in paths]
            for policy, paths in (training_runs or {}).items()}  # fmt: skip
    best = {policy: read_record(path, BestFile, "the best trial of a sweep") for policy, path in (sweeps or {}).items()}
    overall = {record.policy: record for record in results.summary if record.mission == OVERALL}
    trained = [policy for policy, record in overall.items() if record.trained or policy in runs]
    return [
        *_questions(results),
        *_protocol(results),
        _per_policy("How many training steps did each policy get?", trained, runs, _steps),
        _per_policy("How much compute did each policy get?", trained, runs, _compute),
        _per_policy("Which checkpoint of a training run is evaluated?", trained, runs, _checkpoint),
        _hyperparameters(trained, best),
        _values(trained, runs),
        ChecklistItem(
            question="Are learning curves shown?",
            answers=(learning_curves,) if learning_curves else (),
            open="" if learning_curves or not trained else "show the learning curves of each training seed",
        ),
        *_computation(results),
    ]


def _questions(results: ComparisonResults) -> list[ChecklistItem]:
    config = results.config
    level = f"{100 * config.confidence_level:.4g} %"
    answers = [
        f"{HEADINGS[estimand]}: {'answered' if answer['answered'] else 'not answered, since ' + answer['why']}"
        for estimand, answer in results.estimand.items()
    ]
    margin = config.equivalence_margin
    return [
        ChecklistItem(question="What is claimed: these trained policies, or the way they were trained?",
                      answers=tuple(answers)),
        ChecklistItem(
            question="Were the deciding quantity and the margin of equivalence fixed before seeing results?",
            answers=(f"deciding quantity: {config.primary.replace('_', ' ')}",
                     "no margin" if margin is None else f"margin: {number(margin)}"),
            open="say whether they were fixed beforehand",
        ),
        ChecklistItem(
            question="What are error bars and tests?",
            answers=(f"{level} confidence intervals; each figure and row names its method",
                     "p-values are adjusted by Holm's method within their family"),
        ),
    ]  # fmt: skip


def _protocol(results: ComparisonResults) -> list[ChecklistItem]:
    """Missions, episodes and seeds."""
    unknown = "table" in results.provenance  # a table of scores holds no environment seeds
    overall = [record for record in results.summary if record.mission == OVERALL]
    failed = [f"{record.policy}: {record.failures} of its episodes failed" for record in overall if record.failures]
    fixed = [record.policy for record in overall if not record.trained]
    counts = [
        f"{record.policy}: {number_of(record.n_train_seeds, 'training seed')}" for record in overall if record.trained
    ]
    return [
        ChecklistItem(
            question="On which missions are policies compared, and why on these?",
            answers=(", ".join(results.missions),),
            open="say why these missions were chosen",
        ),
        ChecklistItem(
            question="How many evaluation episodes are there, on which environment seeds?",
            answers=tuple(_environment_seeds(results, known=not unknown)),
            open="give the number of episodes behind each score, and their environment seeds" if unknown else "",
        ),
        ChecklistItem(
            question="How many training seeds has each policy?",
            answers=(*counts, *(f"{policy}: not trained here, so it counts as one fixed policy" for policy in fixed)),
            open="" if counts else "name the training seeds, or say that no claim is made about training again",
        ),
        ChecklistItem(
            question="Were results left out?",
            answers=tuple(failed) or ("no episode failed",),
            open="say whether training runs or policies were left out of this comparison",
        ),
    ]


def _environment_seeds(results: ComparisonResults, *, known: bool) -> list[str]:
    """By mission its environment seeds, and whether all policies played them."""
    seeds = results.provenance["computation"].get("episode_seeds", {})
    if not known:
        return [f"{mission}: {text}" for mission, text in seeds.items()]
    played = results.episodes.groupby(["mission", "policy"])["env_seed"].nunique().groupby("mission").min()
    there = results.episodes.groupby("mission")["env_seed"].nunique()
    same = {str(mission) for mission in there.index[played == there]}
    shared = {mission: "the same for all policies" if mission in same else "of which some policies lack some"
              for mission in seeds}  # fmt: skip
    return [f"{mission}: {text}, {shared[mission]}" for mission, text in seeds.items()]


def _per_policy(question: str, trained: Sequence[str], runs: Mapping[str, Any], describe: Any) -> ChecklistItem:
    """An answer for each policy whose training runs are known; the others are open."""
    known = {policy: [text for run in runs.get(policy, []) if (text := describe(run))] for policy in trained}
    answers = [f"{policy}: {'; '.join(dict.fromkeys(texts))}" for policy, texts in known.items() if texts]
    unknown = [policy for policy, texts in known.items() if not texts]
    return ChecklistItem(
        question=question, answers=tuple(answers), open=f"unknown for {', '.join(unknown)}" if unknown else ""
    )


def _steps(run: Mapping[str, Any]) -> str:
    return f"{run['agent_steps']:,} agent-steps" if run.get("agent_steps") else ""


def _compute(run: Mapping[str, Any]) -> str:
    seconds, ranks = run.get("seconds"), (run.get("processes") or {}).get("ranks") or []
    if not seconds:
        return ""
    devices = ", ".join(dict.fromkeys(str(rank.get("name")) for rank in ranks)) or "unknown device"
    return f"{seconds / 3600:.3g} hours on {max(1, len(ranks))} x {devices}"


def _checkpoint(run: Mapping[str, Any]) -> str:
    published, evaluations = run.get("published"), run.get("evaluations") or []
    if not published:
        return ""
    at = f"{published['agent_steps']:,} agent-steps"
    if not evaluations:
        return f"the last one, at {at}"
    return f"the best of {number_of(len(evaluations), 'held-out evaluation')}, at {at}"


def _hyperparameters(trained: Sequence[str], best: Mapping[str, BestFile]) -> ChecklistItem:
    answers = [
        f"{policy}: best of {number_of(sweep['num_trials'], 'trial')} of sweep {sweep['sweep']} "
        f"({sweep['num_failed']} failed), by {Objective(sweep['objective_metric']).words}"
        for policy, sweep in best.items()
    ]
    rest = [policy for policy in trained if policy not in best]
    return ChecklistItem(
        question="How were hyperparameters chosen, with how many trials for each policy?",
        answers=tuple(answers),
        open=f"say how those of {', '.join(rest)} were chosen, with how many trials" if rest else "",
    )


def _values(trained: Sequence[str], runs: Mapping[str, Any]) -> ChecklistItem:
    """The hyperparameters themselves."""

    def describe(run: Mapping[str, Any]) -> str:
        values = (run.get("recipe") or {}).get("hyperparameters") or {}
        return ", ".join(f"{name} {value}" for name, value in values.items())

    return _per_policy("What are the hyperparameters?", trained, runs, describe)


def _computation(results: ComparisonResults) -> list[ChecklistItem]:
    record, scale = results.provenance, results.config.normalization
    versions = record.get("versions") or record["computation"].get("versions") or {}
    commit = (record.get("git") or {}).get("commit")
    ends = "raw rewards"
    if scale is not None:
        low, high = (end if isinstance(end, str) else "declared rewards" for end in (scale.low, scale.high))
        ends = f"0 is {low}, 1 is {high}"
    return [
        ChecklistItem(question="On what scale are scores?", answers=(ends,)),
        ChecklistItem(
            question="Can the result be reproduced?",
            answers=(", ".join(f"{name} {version}" for name, version in versions.items() if version),
                     *([f"commit {commit}"] if commit else []),
                     f"resampling seed {results.config.seed}"),
            open="" if commit else "publish code and configuration",
        ),
    ]  # fmt: skip


def checklist_text(items: Sequence[ChecklistItem]) -> str:
    """The checklist as Markdown: a ticked box for what is answered, an empty one for what is open."""
    lines = ["# Reporting checklist", "", "Filled in from the records of this comparison. An empty box is for you.", ""]
    for item in items:
        lines.append(f"- [{' ' if item.open or not item.answers else 'x'}] **{item.question}**")
        lines += [f"  - {answer}" for answer in item.answers]
        if item.open or not item.answers:
            lines.append(f"  - open: {item.open or 'no record holds an answer'}")
    still = sum(bool(item.open or not item.answers) for item in items)
    return "\n".join([*lines, "", f"{still} of {len(items)} questions are open, at least in part.", ""])


def write_checklist(path: str | Path, items: Sequence[ChecklistItem]) -> Path:
    write_text(path, checklist_text(items))
    return Path(path)


def write_checklist_of_files(
    comparison_folder: str | Path,
    output: str | Path,
    training: Mapping[str, Mapping[str, Any]],
    run_files: Sequence[str | Path],
    sweep_files: Sequence[str | Path],
) -> Path:
    """Write the checklist from the workflow's files.

    Args:
        training: by policy, its `runs` (run/seed-1) and the `sweep` of its hyperparameters, as
            `Plan.training_of_comparison` returns them.
    """
    by_run = {"/".join(Path(path).parts[-3:-1]): path for path in run_files}
    by_sweep = {Path(path).parts[-2]: path for path in sweep_files}
    items = reporting_checklist(
        ComparisonResults.read(comparison_folder),
        training_runs={policy: [by_run[run] for run in source["runs"]] for policy, source in training.items()},
        sweeps={policy: by_sweep[source["sweep"]] for policy, source in training.items() if source["sweep"]},
        learning_curves="report.html, section Training" if run_files else "",
    )
    return write_checklist(output, items)
