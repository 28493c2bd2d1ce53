"""Compare policies: evaluate them on the same episodes, test the differences, and say what can be said.

`compare_episodes` is pure and works on any episodes table, `daf_compare_scores` on any table of scores;
`daf_compare_policies` plays the episodes first. Suites, leaderboards and ablations are in `daf.compare`, the statistics
in `daf.statistics`, the report in `daf.visualization`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daf.compare.ablation import daf_policy_ablation
from daf.compare.labels import unique_labels
from daf.compare.suites import SUITES, daf_benchmark_suite, suite_missions
from daf.config import Anchors, DAFComparisonConfig, MissionConfig, PolicyConfig
from daf.statistics.comparison import compare_episodes
from daf.statistics.explanations import ESTIMANDS
from daf.statistics.results import ComparisonResults
from daf.system.files import file_sha256

if TYPE_CHECKING:
    import pandas as pd

    from daf.engine.policies import ResolvedPolicy
    from daf.engine.types import PolicySpec

__all__ = [
    "ESTIMANDS",
    "SUITES",
    "ComparisonResults",
    "compare_episodes",
    "daf_benchmark_suite",
    "daf_compare_policies",
    "daf_compare_scores",
    "daf_policy_ablation",
    "suite_missions",
    "unique_labels",
]

# ---- tables that users bring ------------------------------------------------------------------------------


def daf_compare_scores(
    scores: pd.DataFrame | str | Path,
    *,
    policies: Sequence[str | int] | None = None,
    missions: Sequence[str | int] | None = None,
    reference: str | int | None = None,
    anchors: Anchors | Mapping[str, Any] | None = None,
    equivalence_margin: float | None = None,
    confidence_level: float = 0.95,
    num_resamples: int = 10_000,
    recipe_test: str = "welch",
    resample_missions: bool = False,
    seed: int = 42,
    output_dir: str | Path | None = None,
    verbose: bool = False,
) -> ComparisonResults:
    """Compare policies from a table of scores, wherever they come from, as `daf_compare_policies` would.

    Args:
        scores: a DataFrame, a .csv or a .parquet file with columns policy, mission, score and, if known, seed (of the
            training, number or name; without it question B stays unanswered, and the result says so; a policy without
            it among others that have it counts as fixed) and episode (from 0; the same number is the same episode for
            every policy and training seed). A missing score is an episode without result: it is left out and
            counted. Missions that only some policies played are left out where those are compared with others.
        policies, missions: which, and in which order; default: all, as they first occur.
        reference: compare all others with this policy only.
        anchors: {"zero": …, "one": …}: policies, or scores by mission, that count as 0 and 1.
        resample_missions: as in `daf_compare_policies`.
        output_dir: as in `daf_compare_policies`.

    Raises:
        BadInputError: a column is missing or holds something else, a row occurs twice, a score is infinite, or nothing
            is left to compare.
    """
    from daf.statistics.scores import read_scores, to_episodes
    from daf.system.provenance import utc_now

    where = "table of scores" if not isinstance(scores, str | Path) else str(scores)
    episodes, said = to_episodes(read_scores(scores), where)
    config = DAFComparisonConfig.from_dict(
        {
            "policies": [str(name) for name in policies or dict.fromkeys(episodes["policy"])],
            "missions": [str(name) for name in missions or dict.fromkeys(episodes["mission"])],
            "episodes_per_mission": int(episodes["episode"].max()) + 1,
            "reference": None if reference is None else str(reference),
            "anchors": _named_anchors(anchors),
            "equivalence_margin": equivalence_margin,
            "confidence_level": confidence_level,
            "num_resamples": num_resamples,
            "recipe_test": recipe_test,
            "resample_missions": resample_missions,
            "seed": seed,
        },
        source="daf_compare_scores",
    )
    facts: dict[str, Any] = {"table": {"source": where, "rows": len(episodes)}, "created": utc_now()}
    if isinstance(scores, str | Path):
        facts["table"]["sha256"] = file_sha256(scores)
    results = compare_episodes(episodes, config, provenance=facts)
    return _hand_over(replace(results, notes=(*results.notes, *said, *_fixed_policies(results))), output_dir, verbose)


def _named_anchors(anchors: Anchors | Mapping[str, Any] | None) -> Any:
    """Anchors in plain data, with names of policies and missions as text, as the table has them."""
    if isinstance(anchors, Anchors):
        return anchors.to_dict()
    if not isinstance(anchors, Mapping):
        return anchors  # None, or for the check to refuse

    def named(anchor: Any) -> Any:
        if isinstance(anchor, Mapping):
            return {str(mission): score for mission, score in anchor.items()}
        return str(anchor) if isinstance(anchor, Real) else anchor

    return {end: named(anchor) for end, anchor in anchors.items()}


def _fixed_policies(results: ComparisonResults) -> list[str]:
    """What a table leaves open: whether a policy without training seeds was trained, while others have some."""
    trained = dict(zip(results.summary_statistics["policy"], results.summary_statistics["trained"], strict=True))
    fixed = [policy for policy, known in trained.items() if not known]
    if not fixed or len(fixed) == len(trained):
        return []
    are, it = ("has no training seed and is", "it") if len(fixed) == 1 else ("have no training seeds and are", "them")
    return [
        f"{' and '.join(fixed)} {are} taken as fixed: question B does not ask what training {it} again would change."
    ]


def _hand_over(results: ComparisonResults, output_dir: str | Path | None, verbose: bool) -> ComparisonResults:
    """Write and print what was asked for."""
    if output_dir is not None:
        from daf.visualization import daf_export_comparison_html

        results.write(output_dir)
        daf_export_comparison_html(results, Path(output_dir) / "report.html")
    if verbose:
        print(results)
    return results


# ---- playing the episodes first ---------------------------------------------------------------------------

Mission = str | MissionConfig


def daf_compare_policies(
    policies: Sequence[str | PolicySpec | PolicyConfig | ResolvedPolicy],
    missions: Sequence[Mission],
    episodes_per_mission: int | Literal["auto"] = 32,
    *,
    max_episodes_per_mission: int = 256,
    num_interim_analyses: int = 4,
    reference: str | None = None,
    anchors: Anchors | Mapping[str, Any] | None = None,
    seed: int = 42,
    evaluation_seed: int = 1_000_000,
    output_dir: str | Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    max_action_time_ms: int = 10_000,
    confidence_level: float = 0.95,
    num_resamples: int = 10_000,
    equivalence_margin: float | None = None,
    recipe_test: str = "welch",
    resample_missions: bool = False,
    verbose: bool = True,
    on_progress: Callable[..., None] | None = None,
) -> ComparisonResults:
    """Play the same episodes with every policy and compare them.

    Args:
        policies: shorthands, class paths, PolicySpecs or PolicyConfigs; two of one name get labels of their own.
        missions: mission names, files or MissionConfigs.
        episodes_per_mission: episodes per policy and mission; the environment seeds are evaluation_seed, +1, …
            "auto" adds batches, in num_interim_analyses steps up to max_episodes_per_mission, until every pair has its
            verdict;
            declare an equivalence_margin, or policies that are equal will take all of them
            (`daf.statistics.sequential`).
        reference: the label of one policy: compare all others with it only.
        anchors: {"zero": "random", "one": "baseline"}: policies (by label), or rewards by mission, that count as 0 and
            1; all figures are then on that scale.
        seed: of the resampling.
        output_dir: where tables (`daf.statistics.results.FILES`) and report.html go; None: nowhere.
        workers: processes that play; they do not change the numbers.
        equivalence_margin: largest difference of means that does not matter; declare it to get "equivalent".
        resample_missions: let intervals of aggregates and bands of profiles draw missions too: they then speak of
            missions like these, and need five of them.
        verbose: print the summary.

    Raises:
        BadInputError: an unknown mission or policy, or settings out of range; nothing was played then.
    """
    from daf.engine.missions import resolve_mission
    from daf.engine.teams import resolve_player

    resolved_missions = [resolve_mission(mission) for mission in missions]
    resolved = [resolve_player(policy) for policy in policies]
    labels = unique_labels([policy.label for policy in resolved])
    resolved = [replace(policy, label=label) for policy, label in zip(resolved, labels, strict=True)]
    config = DAFComparisonConfig.from_dict(
        {
            "policies": labels,
            "missions": [mission.name for mission in resolved_missions],
            "episodes_per_mission": episodes_per_mission,
            "max_episodes_per_mission": max_episodes_per_mission,
            "num_interim_analyses": num_interim_analyses,
            "reference": reference,
            "anchors": anchors.to_dict() if isinstance(anchors, Anchors) else anchors,
            "recipe_test": recipe_test,
            "resample_missions": resample_missions,
            "confidence_level": confidence_level,
            "num_resamples": num_resamples,
            "equivalence_margin": equivalence_margin,
            "seed": seed,
            "evaluation_seed": evaluation_seed,
        },
        source="daf_compare_policies",
    )

    import pandas as pd

    from daf.engine.evaluation import EvaluationOptions, evaluate_policy
    from daf.statistics.sequential import play_until_settled
    from daf.system.provenance import provenance

    def play(first: int, stop: int) -> pd.DataFrame:
        frames = [
            evaluate_policy(
                policy,
                mission,
                episodes=stop - first,
                first_episode=first,
                seed=evaluation_seed,
                workers=workers,
                device=device,
                on_progress=on_progress,
                options=EvaluationOptions(max_action_time_ms=max_action_time_ms, policy_label=policy.label),
            )
            for mission in resolved_missions
            for policy in resolved
        ]
        return pd.concat(frames, ignore_index=True)

    recipe = {
        "config": config.to_dict(),
        "policies": {policy.label: policy.identity() for policy in resolved},
        "missions": {mission.name: mission.env_config.model_dump(mode="json") for mission in resolved_missions},
    }
    made_by = provenance(recipe, {"evaluation": evaluation_seed, "resampling": seed})
    made_by |= {"success": {mission.name: mission.success for mission in resolved_missions}}
    if episodes_per_mission == "auto":
        results = play_until_settled(play, config, provenance=made_by)
    else:
        results = compare_episodes(play(0, episodes_per_mission), config, provenance=made_by)
    aloud = dict.fromkeys(f"{policy.note[0].upper()}{policy.note[1:]}." for policy in resolved if policy.note)
    return _hand_over(replace(results, notes=(*results.notes, *aloud)), output_dir, verbose)
