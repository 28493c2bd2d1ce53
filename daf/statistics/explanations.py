"""What a comparison answers, why not, and the sentences that a reader of its figures must not miss."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from daf.config import DAFComparisonConfig

if TYPE_CHECKING:
    from daf.statistics.units import Units

ESTIMANDS = {
    "A": "these checkpoints: which of these exact weights scores higher? Unit: the episode, paired by mission and "
    "environment seed. Says nothing about training the same recipe again.",
    "B": "these recipes: would training again give the better policy again? Unit: the training seed, episodes averaged "
    "first.",
}


def explain(
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
    elif not whole["B"]:
        why["B"] = "there is no second policy to compare with."
    else:
        why["B"] = "; ".join(dict.fromkeys(str(r["reason"]) for r in whole["B"])) + "."
    estimand = {key: {"question": ESTIMANDS[key], "answered": possible[key], "why": why[key]} for key in "AB"}

    played = {mission for _, mission in units.cells}
    notes += _floors(records, len(played) > 1, 1 - config.confidence_level)
    if config.anchors is None and len(played) > 1 and whole["A"]:
        notes.append(
            "Overall figures give every mission the same weight and take rewards as they are, so a mission that pays "
            "more moves them more. Declare `anchors` to put all missions on one scale."
        )
    named = [one for one in (config.anchors.zero, config.anchors.one) if isinstance(one, str)] if config.anchors else []
    if named:
        notes.append(
            f"The scale is set by what {' and '.join(named)} scored on these episodes; intervals take it as known."
        )
    present = [policy for policy in units.policies if units.missions_of(policy)]
    shared = units.missions_of(*present)
    if len(shared) < len(played):
        notes.append(
            f"Aggregates, profiles and ranks over missions rest on the {len(shared)} of {len(played)} missions that "
            "all policies played."
        )
    if config.equivalence_margin is None and any(r.get("verdict") == "inconclusive" for r in records):
        notes.append(
            "No equivalence margin was declared, so 'inconclusive' cannot be told from 'equal'; set equivalence_margin "
            "to the largest difference that does not matter."
        )
    notes += _constant_differences(units, whole["A"])
    notes += _what_is_missing(whole, config)
    return estimand, notes


def _floors(records: list[dict[str, Any]], several_missions: bool, alpha: float) -> list[str]:
    """Which families of Holm's correction hold a test that has too few units to ever be significant first.

    The number of draws is no such bound: it grows with the family (`tests.draws_for_family`).
    """
    sentences = []
    for key, few, remedy in (("A", "episodes that differ", "Run more episodes"), ("B", "training seeds", "Train more")):
        for overall in (True, False) if several_missions else (True,):
            family = [
                r for r in records
                if r["estimand"] == key and (r["mission"] == "overall") == overall and r["p"] is not None
            ]  # fmt: skip
            floor = max((r["minimum_p"] for r in family if r["minimum_p"] is not None), default=0.0)
            if floor * len(family) > alpha:
                what = f"{len(family)} {'pair' if overall else 'test'}{'s' * (len(family) > 1)}"
                sentences.append(
                    f"With so few {few}, p cannot fall below {floor:.2g} in at least one comparison, before the "
                    f"correction for {what}{'' if overall else ' on single missions'}: a lack of verdicts there says "
                    f"little. {remedy}."
                )
    return sentences


def _constant_differences(units: Units, overall: list[dict[str, Any]]) -> list[str]:
    """Where the test over missions and the interval disagree about how many units a mission has."""
    from daf.statistics.intervals import is_constant_shift

    found: dict[str, list[str]] = {}
    for record in overall:
        a, b = record["policy_a"], record["policy_b"]
        for mission in units.missions_of(a, b) if record["p"] is not None else []:
            if is_constant_shift(units.paired_differences(a, b, mission)):
                found.setdefault(mission, []).append(f"{a} and {b}")
    if not found:
        return []
    where = "; ".join(
        f"on {mission} ({', '.join(pairs) if len(pairs) <= 3 else f'{len(pairs)} pairs'})"
        for mission, pairs in found.items()
    )
    return [
        f"Policies differ by the same amount in every episode {where}. Over all missions the test counts such a "
        "mission's episodes as one, for they may be one and the same, but the interval takes the difference there as "
        "known; equivalence, power and the episodes needed stay open."
    ]


def _what_is_missing(whole: dict[str, list[dict[str, Any]]], config: DAFComparisonConfig) -> list[str]:
    """How many more units the open pairs need for the declared margin, in a sentence or two per question."""
    sentences = []
    for key, unit in (("A", "episodes per mission"), ("B", "training seeds per recipe")):
        open_pairs = [r for r in whole[key] if r["verdict"] == "inconclusive"]
        hopeless = [r for r in open_pairs if isfinite(r["power"]) and not isfinite(r["n_needed"])]
        if hopeless:
            sentences.append(
                f"A difference of {config.equivalence_margin:g} is so small against the variance seen so far that a "
                f"billion {unit} would not show it in {len(hopeless)} of {len(open_pairs)} open pairs of question "
                f"{key}."
            )
        wanted = [r["more_needed"] for r in open_pairs if r["more_needed"] > 0]
        if wanted:
            every = "every" if all(isfinite(r["more_needed"]) for r in open_pairs) else "every other"
            sentences.append(
                f"About {max(wanted):.0f} more {unit} would give {every} open pair of question {key} an 80 % chance to "
                f"show a difference of {config.equivalence_margin:g} even at the first step of Holm's correction, "
                "going by the variance seen so far."
            )
    return sentences
