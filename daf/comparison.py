"""Compare policies: evaluate them on the same episodes, test the differences, and say what can be said.

`compare_episodes` is pure and works on any episodes table; `daf_compare_policies`, `daf_benchmark_suite` and
`daf_policy_ablation` play the episodes first. The statistics themselves are in `daf.statistics`, the report in
`daf.visualization`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import DAFComparisonConfig, MissionConfig, PolicyConfig
from daf.errors import BadInputError, did_you_mean
from daf.files import digest
from daf.statistics.results import ComparisonResults, make_table, to_plain

if TYPE_CHECKING:
    import pandas as pd
    from mettagrid.policy.policy import PolicySpec

    from daf.engine.policies import ResolvedPolicy
    from daf.statistics.units import Units

__all__ = [
    "ESTIMANDS",
    "SUITES",
    "ComparisonResults",
    "compare_episodes",
    "daf_benchmark_suite",
    "daf_compare_policies",
    "daf_policy_ablation",
    "suite_missions",
    "unique_labels",
]

ESTIMANDS = {
    "A": "these checkpoints: which of these exact weights scores higher? Unit: the episode, paired by mission and "
    "environment seed. Says nothing about training the same recipe again.",
    "B": "these recipes: would training again give the better policy again? Unit: the training seed, episodes averaged "
    "first.",
}


# ---- the pure comparison ----------------------------------------------------------------------------------


def compare_episodes(
    episodes: pd.DataFrame,
    config: DAFComparisonConfig,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> ComparisonResults:
    """Compare the policies of an episodes table. Pure: the same table and config give the same results.

    Args:
        episodes: columns policy, mission, seed (of the environment) and mean_reward; also used if there: checkpoint,
            training_seed, episode, success, length, timeouts, failure. A missing reward is a failed episode.
        config: which policies and missions, confidence level, resamples and their seed, equivalence margin.
        pairs: compare only these; default every pair in the order of `config.policies`.
        provenance: recorded as it is, beside the facts about the computation.

    Raises:
        BadInputError: a column is missing, a row occurs twice, a reward is infinite, nothing is left to compare.
    """
    from daf.statistics import analysis, units

    frame = units.check_episodes(episodes, config.policies, config.missions)
    collected = units.collect_units(frame, config.policies, config.missions)
    if not collected.cells:
        reasons = " ".join(collected.notes)
        raise BadInputError("episodes with rewards", "failed episodes only", "episodes table", reasons)
    records = analysis.compare_pairs(collected, config, pairs)
    ranks, friedman = analysis.rank_policies(collected, config)
    estimand, notes = _explain(collected, config, records)
    return ComparisonResults(
        summary_statistics=make_table(analysis.summarise(collected, config), analysis.SUMMARY_COLUMNS),
        pairwise=make_table(records, analysis.PAIR_COLUMNS),
        ranks=make_table(ranks, analysis.RANK_COLUMNS),
        episodes=make_table(frame.to_dict("records"), units.SLIM_COLUMNS),
        estimand=estimand,
        friedman=asdict(friedman) if friedman else None,
        notes=tuple(notes),
        config=config,
        provenance=to_plain(dict(provenance or {})) | {"computation": _computation(frame, config)},
    )


def _computation(frame: pd.DataFrame, config: DAFComparisonConfig) -> dict[str, Any]:
    from importlib import metadata

    from daf import __version__

    seeds = {str(name): sorted({int(seed) for seed in part}) for name, part in frame.groupby("mission")["seed"]}
    return {
        "episode_seeds": {name: f"{min(s)} to {max(s)} ({len(s)} seeds)" for name, s in seeds.items()},
        "episode_seeds_sha256": digest(seeds),
        "resampling_seed": config.seed,
        "num_resamples": config.num_resamples,
        "normalisation": "none: rewards as the missions pay them",
        "versions": {"daf": __version__} | {name: metadata.version(name) for name in ("numpy", "scipy", "pandas")},
    }


def _explain(
    units: Units, config: DAFComparisonConfig, records: list[dict[str, Any]]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Which question is answered, and the plain sentences a reader must not miss."""
    notes = list(units.notes)
    trained = {policy: len(units.training_seeds(policy)) for policy in units.policies if units.training_seeds(policy)}
    single = [policy for policy, seeds in trained.items() if seeds == 1]
    whole = {key: [r for r in records if r["estimand"] == key and r["mission"] == "overall"] for key in "AB"}
    possible = {key: any(r["p"] is not None for r in whole[key]) for key in "AB"}
    why = {"A": "" if possible["A"] else "no two policies have episodes that vary on the same environment seeds."}
    if possible["B"]:
        why["B"] = ""
    elif not trained:
        why["B"] = "no training seeds are known for these policies, so nothing can be said about training them again."
    elif single:
        why["B"] = (
            f"{' and '.join(single)} {'was' if len(single) == 1 else 'were'} trained with one seed only; how much a "
            "result varies from training to training is unknown. Train with at least three seeds to ask this question."
        )
    else:
        why["B"] = "there is no second policy to compare with, or the training seeds show no variance."
    estimand = {key: {"question": ESTIMANDS[key], "answered": possible[key], "why": why[key]} for key in "AB"}

    family = [r["minimum_p"] for r in whole["A"] if r["p"] is not None]
    if family and max(family) * len(family) > 1 - config.confidence_level:
        pairs = f"{len(family)} pair{'s' * (len(family) > 1)}"
        notes.append(
            f"With so few episodes that differ, p cannot fall below {max(family):.2g} in at least one comparison, "
            f"before the correction for {pairs}: a lack of verdicts there says little. Run more episodes."
        )
    if len({mission for _, mission in units.cells}) > 1 and whole["A"]:
        notes.append(
            "Overall figures give every mission the same weight and take rewards as they are, so a mission that pays "
            "more moves them more."
        )
    if config.equivalence_margin is None and any(r.get("verdict") == "inconclusive" for r in records):
        notes.append(
            "No equivalence margin was declared, so 'inconclusive' cannot be told from 'equal'; set equivalence_margin "
            "to the largest difference that does not matter."
        )
    return estimand, notes


# ---- playing the episodes first ---------------------------------------------------------------------------

Mission = str | MissionConfig
SUITES: dict[str, tuple[str, ...]] = {
    "quick": ("tutorial.miner", "training_facility_1"),
    "standard": (
        "tutorial.miner", "training_facility_1", "assembler_2", "exploration_sparse_search_easy",
        "memory_mystery_path_easy", "planning_unlock_chain_easy",
    ),
    "memory": tuple(f"memory_mystery_path_{size}" for size in ("easy", "medium", "hard")),
    "exploration": tuple(f"exploration_sparse_search_{size}" for size in ("easy", "medium", "hard")),
    "planning": tuple(f"planning_unlock_chain_{size}" for size in ("easy", "medium", "hard")),
    "diagnostic": (
        *(f"diagnostic_chest_navigation{n}{hard}" for n in (1, 2, 3) for hard in ("", "_hard")),
        "diagnostic_chest_deposit_near", "diagnostic_chest_deposit_search", "diagnostic_chest_deposit_search_hard",
        "diagnostic_charge_up", "diagnostic_charge_up_hard", "diagnostic_memory", "diagnostic_memory_hard",
    ),
    "cogs_vs_clips": (
        "machina_1", "machina_1.clips", "arena", "four_score",
        "tutorial.aligner", "tutorial.miner", "tutorial.scout", "tutorial.scrambler",
    ),
    "resources": (
        "energy_starved",
        *(f"distant_resources_{size}" for size in ("easy", "standard", "hard")),
        *(f"quadrant_buildings_{size}" for size in ("easy", "standard", "hard")),
        "easy_small_hearts", "easy_medium_hearts", "easy_large_hearts",
    ),
}  # fmt: skip
# Every eval but easy_hearts_training, whose map has no room for its agents at any number.
SUITES["evals"] = (
    *SUITES["resources"], *SUITES["memory"], *SUITES["exploration"], *SUITES["planning"], *SUITES["diagnostic"],
)  # fmt: skip


def suite_missions(suite: str) -> list[MissionConfig]:
    """The missions of a named suite. The diagnostic maps have room for four agents, not for the default eight.

    Raises:
        BadInputError: no suite has this name.
    """
    if suite not in SUITES:
        raise BadInputError("the name of a suite", f"'{suite}'", "suite", did_you_mean(suite, SUITES))
    return [
        MissionConfig(source=name, num_agents=4 if name.startswith("diagnostic_") else None) for name in SUITES[suite]
    ]


def daf_compare_policies(
    policies: Sequence[str | PolicySpec | PolicyConfig | ResolvedPolicy],
    missions: Sequence[Mission],
    episodes_per_mission: int = 32,
    *,
    seed: int = 42,
    evaluation_seed: int = 1_000_000,
    output_dir: str | Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    max_action_time_ms: int = 10_000,
    confidence_level: float = 0.95,
    num_resamples: int = 10_000,
    equivalence_margin: float | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    verbose: bool = True,
    on_progress: Callable[..., None] | None = None,
) -> ComparisonResults:
    """Play the same episodes with every policy and compare them.

    Args:
        policies: shorthands, class paths, PolicySpecs or PolicyConfigs; two of one name get labels of their own.
        missions: mission names, files or MissionConfigs.
        episodes_per_mission: episodes per policy and mission; the environment seeds are evaluation_seed, +1, …
        seed: of the resampling.
        output_dir: where summary.csv, pairwise.csv, comparison.json, report.html and figures/ go; None: nowhere.
        workers: processes that play; they do not change the numbers.
        equivalence_margin: largest difference of means that does not matter; declare it to get "equivalent".
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
            "confidence_level": confidence_level,
            "num_resamples": num_resamples,
            "equivalence_margin": equivalence_margin,
            "seed": seed,
            "evaluation_seed": evaluation_seed,
        },
        source="daf_compare_policies",
    )

    import pandas as pd

    from daf.engine.evaluation import evaluate_policy
    from daf.provenance import provenance

    frames = [
        evaluate_policy(
            policy,
            mission,
            episodes=episodes_per_mission,
            seed=evaluation_seed,
            workers=workers,
            device=device,
            max_action_time_ms=max_action_time_ms,
            policy_label=policy.label,
            on_progress=on_progress,
        )
        for mission in resolved_missions
        for policy in resolved
    ]
    recipe = {
        "config": config.to_dict(),
        "policies": {policy.label: policy.identity() for policy in resolved},
        "missions": {mission.name: mission.env_config.model_dump(mode="json") for mission in resolved_missions},
    }
    results = compare_episodes(
        pd.concat(frames, ignore_index=True),
        config,
        pairs=pairs,
        provenance=provenance(recipe, {"evaluation": evaluation_seed, "resampling": seed}),
    )
    aloud = dict.fromkeys(f"{policy.note[0].upper()}{policy.note[1:]}." for policy in resolved if policy.note)
    results = replace(results, notes=(*results.notes, *aloud))
    if output_dir is not None:
        from daf.visualization import daf_export_comparison_html

        results.write(output_dir)
        daf_export_comparison_html(results, Path(output_dir) / "report.html")
    if verbose:
        print(results)
    return results


def compare_files(paths: Sequence[str | Path], config: DAFComparisonConfig, folder: str | Path) -> ComparisonResults:
    """Compare the episodes in files, as the workflow keeps them, and write the results into `folder`.

    Episodes beyond `episodes_per_mission` belong to another comparison of the same policies and are left out. Missions
    and policies of the configuration go by their labels.
    """
    from daf.episodes import read_episodes, read_provenance
    from daf.provenance import provenance
    from daf.recipes import mission_label

    episodes = read_episodes(paths)
    labelled = config.model_copy(
        update={
            "missions": [mission_label(mission) for mission in config.missions],
            "policies": list(dict.fromkeys(episodes["policy"])),
        }
    )
    shards = [shard for path in paths for shard in read_provenance(path)["shards"]]
    notes = dict.fromkeys(shard["note"] for shard in shards if shard["note"])
    recipe = {"config": labelled.to_dict(), "episodes": [shard["recipe_digest"] for shard in shards]}
    results = compare_episodes(
        episodes[episodes["episode"] < config.episodes_per_mission],
        labelled,
        provenance=provenance(recipe, {"evaluation": config.evaluation_seed, "resampling": config.seed}),
    )
    results = replace(results, notes=(*results.notes, *(f"{note[0].upper()}{note[1:]}." for note in notes)))
    results.write(folder)
    return results


def unique_labels(labels: Sequence[str]) -> list[str]:
    """The same labels with -2, -3, … where one came before: two checkpoints of one class stay apart."""
    taken: set[str] = set()
    result = []
    for label in labels:
        candidate, count = label, 1
        while candidate in taken or (count > 1 and candidate in labels):
            count += 1
            candidate = f"{label}-{count}"
        taken.add(candidate)
        result.append(candidate)
    return result


def daf_benchmark_suite(
    policies: Sequence[str | PolicySpec | PolicyConfig],
    suite: str = "quick",
    episodes_per_mission: int = 32,
    **options: Any,
) -> ComparisonResults:
    """Compare policies on a named suite of missions (see `SUITES`); options as in `daf_compare_policies`.

    Raises:
        BadInputError: no suite has this name.
    """
    return daf_compare_policies(policies, suite_missions(suite), episodes_per_mission, **options)


def daf_policy_ablation(
    policy: str | PolicySpec | PolicyConfig,
    components: Mapping[str, Mapping[str, Any]],
    missions: Sequence[Mission],
    episodes_per_mission: int = 32,
    **options: Any,
) -> ComparisonResults:
    """Switch components of a policy off, one at a time, and compare each variant with the full policy.

    Args:
        components: for each variant its name and the init_kwargs that replace those of the full policy, such as
            {"no memory": {"use_memory": False}}. Only these k comparisons are made, and Holm corrects for them.
        options: as in `daf_compare_policies`.

    Raises:
        BadInputError: no components, or a bundle, whose arguments are fixed inside it.
    """
    from daf.engine.policies import resolve_policy

    if not components:
        raise BadInputError("at least one component", "none", "daf_policy_ablation: components")
    full = resolve_policy(policy)
    if full.bundle is not None:
        where = f"policy '{full.label}'"
        raise BadInputError("a class path with init_kwargs", "a bundle", where, "its arguments are fixed inside it")
    variants = [full]
    for name, override in components.items():
        changed = PolicyConfig(
            class_path=full.class_path, data_path=full.data_path, init_kwargs={**full.init_kwargs, **override}
        )
        variants.append(resolve_policy(changed, label=name))
    labels = unique_labels([variant.label for variant in variants])
    pairs = [(labels[0], label) for label in labels[1:]]
    return daf_compare_policies(variants, missions, episodes_per_mission, pairs=pairs, **options)
