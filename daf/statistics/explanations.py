"""Which questions a comparison answers, why it cannot answer the others, and notes for interpreting its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics.levels import alpha_of
from daf.statistics.pair_table import PairTable
from daf.statistics.records import OPEN, OVERALL, Estimand, PairRecord
from daf.system.nouns import number_of

if TYPE_CHECKING:
    from daf.statistics.intervals import Array
    from daf.statistics.units import Units

INDEPENDENT = (
    "Training runs count as independent, also those with the same seed: what a seed does to one recipe must not depend "
    "on what it does to another."
)
MANY_EPISODES = 100  # among them, an event of 5 % has been seen with a chance of over 99 %
COARSE = 100  # rounding errors per standard deviation of scores below which they may decide
ESTIMANDS: Mapping[Estimand, str] = {
    "checkpoints": "these checkpoints: which of these exact weights score higher? Unit: the episode, paired by "
    "mission and environment seed. Says nothing about training the same recipe again.",
    "recipes": "these recipes: would retraining produce the better policy again? Unit: the training seed, whose "
    "episodes are averaged first.",
}


def explain(
    units: Units, config: DAFComparisonConfig, records: PairTable
) -> tuple[dict[Estimand, dict[str, Any]], list[str]]:
    """Return whether each estimand is answered, and the notes of the comparison."""
    from daf.statistics.advice import advice  # imports scipy

    overall: dict[Estimand, list[PairRecord]] = {
        estimand: records.records(records.rows_of(estimand, mission=OVERALL)) for estimand in ESTIMANDS
    }
    answers = {
        estimand: {
            "question": question,
            "answered": any(record.verdict != "insufficient data" for record in overall[estimand]),
            "why": _why_not(estimand, units, overall[estimand]),
            "advice": advice(estimand, units, config, overall[estimand]),
        }
        for estimand, question in ESTIMANDS.items()
    }
    several_missions = len({mission for _, mission in units.cells}) > 1
    notes = [
        *units.notes,
        *_floors(records, several_missions, alpha_of(config.confidence_level)),
        *_scale_notes(units, config, bool(several_missions and overall["checkpoints"])),
    ]
    if config.equivalence_margin is None and records.texts["verdict"].are("inconclusive").any():
        notes.append(
            "No equivalence margin was declared, so undecided pairs cannot be distinguished from equal ones; set "
            "`equivalence_margin` to the largest difference that does not matter."
        )
    if config.equivalence_margin is not None and config.primary == "probability_of_improvement":
        notes.append(
            "The equivalence margin is one of scores: with the probability of improvement as primary quantity, no pair "
            "is called equivalent."
        )
    notes += _recipe_claim(units, config, overall["recipes"])
    notes += _unused_runs(units, overall["recipes"])
    if config.primary == "mean":
        notes += _constant_differences(units, overall["checkpoints"])
        notes += _unseen_events(overall["checkpoints"])
        notes += _unseen_failures(overall["recipes"])
    leading = [answer for answer in answers.values() if answer["answered"]] or list(answers.values())
    notes += _more_units_needed(overall, config) or [str(answer["advice"]) for answer in leading if answer["advice"]]
    return answers, notes


def _why_not(estimand: Estimand, units: Units, overall: Sequence[PairRecord]) -> str:
    """Why an estimand is not answered; empty if it is."""
    if any(record.verdict != "insufficient data" for record in overall):
        return ""
    if tested := [record.reason for record in overall if record.tested]:
        return "; ".join(dict.fromkeys(tested)) + "."
    if not units.cells and units.failed:
        if any(cell.partly for cell in units.failed.values()):
            return f"{units.failure_of(units.failed_policies(), units.missions)}."
        return "every policy failed in every episode."
    if not overall and (emptied := units.policies_without_common()):
        return f"no episode of {' or of '.join(emptied)} was played by all of its training runs."
    lost = units.failed_policies()
    failed = units.failure_of(lost, units.missions)
    if estimand == "checkpoints":
        from daf.statistics.checkpoint_pairs import ONE_EPISODE  # imports scipy

        others = "no two other policies" if lost else "no two policies"
        reason = f"{others} have varying results on the same environment seeds."
        if not lost and len({name for name, _ in units.cells}) < 2:
            reason = "there is no other policy to compare with."
        elif all(len(cell.seeds) == 1 for cell in units.cells.values()):
            reason = "every policy has only one episode per mission, which cannot tell a difference from chance."
        elif not lost and overall and all(record.n_a and record.difference == 0 for record in overall):
            reason = "all policies score the same."
        elif own := [record.reason for record in overall if not record.n_missions or ONE_EPISODE in record.reason]:
            reason = f"{'; '.join(dict.fromkeys(own))}."
        return f"{failed}, and {reason}" if lost else reason
    trained = {policy: len(units.training_seeds(policy)) for policy in units.policies if units.training_seeds(policy)}
    single = [policy for policy, seeds in trained.items() if seeds == 1]
    trained_and_lost = [policy for policy in lost if units.was_trained(policy)]
    if trained_and_lost and len(trained) < 2:
        rest = (
            "no training seeds are known for the other policies"
            if not trained
            else f"only {next(iter(trained))} is left"
        )
        return f"{failed}, so nothing is known about training {' and '.join(trained_and_lost)} again; {rest}."
    if not trained:
        return "no training seeds are known for these policies, so the data say nothing about training them again."
    if single:
        return (
            f"{' and '.join(single)} {'was' if len(single) == 1 else 'were'} trained with only one seed, so how much "
            "results vary between training runs is unknown. Train with at least three seeds to answer this question."
        )
    if not overall:
        return "there is no other policy to compare with."
    return "; ".join(dict.fromkeys(record.reason for record in overall)) + "."


def _recipe_claim(units: Units, config: DAFComparisonConfig, overall: Sequence[PairRecord]) -> list[str]:
    """What the question about recipes generalizes to, and what it assumes."""
    tested = [record for record in overall if record.tested]
    if not tested:
        return []
    if not all(None in (record.n_a, record.n_b) for record in tested):
        return [*_claim(units, config), INDEPENDENT]
    return _claim(units, config)


def _claim(units: Units, config: DAFComparisonConfig) -> list[str]:
    if all(len(cell.seeds) == 1 for cell in units.cells.values()):
        return [
            "Every training run has one score per mission: what another evaluation would change is part of the spread "
            "between runs."
        ]
    if config.recipe_claim == "general":
        return [
            "Recipes are compared for other training runs and other episodes of these missions: the spread between "
            "training seeds and between environment seeds counts. `recipe_claim: these_episodes` asks about exactly "
            "the episodes played."
        ]
    return [
        "Recipes are compared for other training runs on exactly the episodes played (`recipe_claim: "
        "these_episodes`): the mean of a fixed policy on them counts as known, and other episodes may decide "
        "differently."
    ]


def _unused_runs(units: Units, overall: Sequence[PairRecord]) -> list[str]:
    """A note if recipes over missions do not use every training run that the data contain."""
    pairs_of: dict[str, list[tuple[str, str]]] = {}
    for record in overall:
        for policy in (record.policy_a, record.policy_b):
            pairs_of.setdefault(policy, []).append((record.policy_a, record.policy_b))
    shares = []
    for policy, pairs in pairs_of.items():
        counts = []
        for pair in pairs:
            if units.training_seeds(policy) and (missions := units.missions_of(*pair)):
                used = sum(runs.size for runs in units.run_scores(policy, missions))
                counts.append((used, sum(units.cells[policy, mission].runs.size for mission in missions)))
        used, present = min(counts, key=lambda count: count[0] / count[1], default=(0, 0))
        if used < present:
            shares.append(f"{used} of {present} run scores of {policy}")
    if not shares:
        return []
    return [
        f"Over missions, recipes use only training seeds that played all of them: {', '.join(shares)}. If each mission "
        "has separate training runs, declare `trainings: per_mission`, which uses all."
    ]


def _scale_notes(units: Units, config: DAFComparisonConfig, several_missions: bool) -> list[str]:
    """Notes on the scale of scores, and on the missions behind results over missions."""
    notes = []
    if config.normalization is None:
        if several_missions:
            notes.append(
                "Overall figures weigh all missions equally and use raw rewards, so missions with larger rewards have "
                "more influence. Declare `normalization` to put all missions on one scale."
            )
    else:
        ends = (config.normalization.low, config.normalization.high)
        policies = [end for end in ends if isinstance(end, str)]
        if policies:
            notes.append(
                f"The scale is set by the scores of {' and '.join(policies)} on these episodes. Intervals of means and "
                "of their differences allow for its sampling error where the policies share environment seeds; "
                "aggregates and profiles of checkpoints treat it as known."
            )
    coarse = {
        mission: cell.resolution
        for (_, mission), cell in units.cells.items()
        if 0 < _spread(cell.rewards_ec) < COARSE * cell.resolution
    }
    notes += [
        f"Scores on {mission} are so large, compared with how they vary, that differences up to {size:.2g} count as "
        "rounding errors: subtract the same number from all of them."
        for mission, size in coarse.items()
    ]
    played = {mission for _, mission in units.cells}
    shared = units.missions_of(*(policy for policy in units.policies if units.missions_of(policy)))
    if not shared and played:
        notes.append(
            "No mission was played by all policies, so there are no aggregates, profiles or ranks over missions."
        )
    elif len(shared) < len(played):
        notes.append(
            f"Aggregates, profiles and ranks over missions use only the {len(shared)} of "
            f"{number_of(len(played), 'mission')} that all policies played."
        )
    return notes


def _spread(scores: Array) -> float:
    """Standard deviation, of scores of any size."""
    from daf.statistics.intervals import unit_of  # imports scipy

    unit = unit_of(scores)
    return unit * float((scores / unit).std())


def _floors(records: PairTable, several_missions: bool, alpha: float) -> list[str]:
    """Notes on families of Holm's correction in which a test has too few units to be significant at the first step.

    The number of draws sets no such bound: it grows with the family (`hypothesis_tests.draws_for_family`).
    """
    units: Mapping[Estimand, tuple[str, str]] = {
        "checkpoints": ("episodes that differ", "Run more episodes"),
        "recipes": ("training seeds", "Train more seeds"),
    }
    notes = []
    for estimand, (few, remedy) in units.items():
        for overall in (True, False) if several_missions else (True,):
            family = records.texts["estimand"].are(estimand) & (records.overall == overall) & records.tested
            floors, tested = records.numbers["minimum_p"][family], int(family.sum())
            floor = float(floors[np.isfinite(floors)].max(initial=0.0))
            if floor * tested > alpha:
                where = "" if overall else " on a single mission"
                needed = "it" if tested == 1 else f"the smallest of {tested:,} p-values"
                notes.append(
                    f"At least one pair may have too few {few} for a verdict{where}: even if one policy is always "
                    f"better, the p-value is {floor:.2g}, and {needed} must be at most {alpha / tested:.2g}. {remedy}."
                )
    return notes


def _constant_differences(units: Units, overall: Sequence[PairRecord]) -> list[str]:
    """A note for missions on which the overall test and the interval assume different numbers of units."""
    from daf.statistics.intervals import is_constant_shift

    pairs_by_mission: dict[str, list[str]] = {}
    for record in overall:
        a, b = record.policy_a, record.policy_b
        for mission in units.missions_of(a, b) if record.tested else []:
            if is_constant_shift(units.paired_differences(a, b, mission)):
                pairs_by_mission.setdefault(mission, []).append(f"{a} and {b}")
    if not pairs_by_mission:
        return []
    where = "; ".join(
        f"on {mission} ({', '.join(pairs) if len(pairs) <= 3 else number_of(len(pairs), 'pair')})"
        for mission, pairs in pairs_by_mission.items()
    )
    return [
        f"Policies differ by the same amount in every episode {where}. Over all missions the test counts such a "
        "mission's episodes as one, since they may all be identical, but the interval treats the difference there "
        "as known; equivalence, power and the number of episodes needed are not computed."
    ]


def _unseen_events(overall: Sequence[PairRecord]) -> list[str]:
    """A note on what a few episodes cannot show, however clear the difference."""
    from daf.statistics.cautions import largest_unseen_share

    counts = [record.n_a for record in overall if record.verdict in ("better", "worse") and record.n_a]
    if not counts or min(counts) >= MANY_EPISODES:
        return []
    share = largest_unseen_share(min(counts))
    return [
        f"{number_of(min(counts), 'paired episode')} may miss an event that happens in up to {100 * share:.2g} % of "
        "episodes; if rare events can decide the mean reward of a mission, play more."
    ]


def _unseen_failures(overall: Sequence[PairRecord]) -> list[str]:
    """The same for few training runs: on which runs fail now and then, a verdict may depend."""
    from daf.statistics.cautions import largest_unseen_share

    decided = [record for record in overall if record.verdict in ("better", "worse")]
    fewest = min((count for record in decided for count in (record.n_a, record.n_b) if count), default=MANY_EPISODES)
    if fewest >= MANY_EPISODES:
        return []
    share = largest_unseen_share(fewest)
    return [
        f"{number_of(fewest, 'training run')} may miss a failure that happens to up to {100 * share:.2g} % of such "
        "runs; if that can decide the mean, train more."
    ]


def _more_units_needed(overall: Mapping[Estimand, Sequence[PairRecord]], config: DAFComparisonConfig) -> list[str]:
    """How many more units the undecided pairs need for the declared margin, in a sentence or two per estimand."""
    units: Mapping[Estimand, tuple[str, str]] = {
        "checkpoints": ("episode", " per mission"), "recipes": ("training seed", " per recipe"),
    }  # fmt: skip
    notes = []
    for estimand, (unit, per) in units.items():
        open_pairs = [record for record in overall[estimand] if record.verdict in OPEN and record.tested]
        hopeless = [record for record in open_pairs if isfinite(record.power) and record.n_needed is None]
        if hopeless:
            if estimand == "recipes" and config.recipe_claim == "general":
                per += ", on this number of episodes,"
            notes.append(
                f"A difference of {config.equivalence_margin:g} is so small compared with the variance seen so far "
                f"that a billion {unit}s{per} would not show it in {len(hopeless)} of "
                f"{number_of(len(open_pairs), 'undecided pair')} of {estimand}."
            )
        needed = [record.more_needed for record in open_pairs if record.more_needed]
        if needed:
            every = "every other" if any(record.more_needed is None for record in open_pairs) else "every"
            more = f"{number_of(max(needed), f'more {unit}')}{per}"
            notes.append(
                f"About {more} would give {every} undecided pair of {estimand} an 80 % chance of showing a difference "
                f"of {config.equivalence_margin:g} at the strictest step of Holm's correction, given the variance seen "
                "so far."
            )
    return notes
