"""Results in plain words: one sentence per verdict, used by the terminal summary and the report alike."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

Record = Mapping[str, Any]
OVERALL = "overall"
MINUS = "\N{MINUS SIGN}"
UNKNOWN = "\N{EN DASH}"


def number(value: float | None, digits: int | None = None) -> str:
    """A figure with two decimals, one from 10, none from 100 on, and more for small ones.

    Where decimals would show only zeros: '1.23e−6'. Below 1e-12 it is what rounding leaves of a zero, and shown as one.
    """
    if value is None or not isfinite(value):
        return UNKNOWN
    if digits is None:
        size = abs(value)
        if 1e-12 <= size < 5e-5:
            mantissa, exponent = f"{value:.2e}".split("e")
            return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
        digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.01 or size < 5e-5 else 4
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def p_value(value: float | None) -> str:
    if value is None or not isfinite(value):
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def percent(value: float | None) -> str:
    return UNKNOWN if value is None or not isfinite(value) else f"{100 * value:.0f} %"


def span(low: float | None, high: float | None) -> str:
    """'7.1 to 8.6', or a dash when unknown."""
    if low is None or high is None or not (isfinite(low) and isfinite(high)):
        return UNKNOWN
    return f"{number(low)} to {number(high)}"


def place(record: Record, missions: int) -> str:
    """Where a record holds: 'on m', 'over 3 missions', 'over 1 of 3 missions' where its policies shared fewer."""
    if record["mission"] != OVERALL:
        return f"on {record['mission']}"
    covered = record.get("n_missions")  # results of earlier versions do not say; none are a reason, not a basis
    part = f"{covered} of " if covered and covered < missions else ""
    return f"over {part}{missions} mission{'' if missions == 1 else 's'}"


def basis(record: Record) -> str:
    """What the sentence rests on: '(paired, 24 episodes)'."""
    if record["estimand"] == "A":
        return f"paired, {record['n_a']} episodes"
    seeds = [f"{int(n)}" for n in (record["n_a"], record["n_b"]) if n is not None and isfinite(n)]
    if len(seeds) > 1:
        return f"{' and '.join(seeds)} training seeds"
    return f"{seeds[0]} training seed{'' if seeds[0] == '1' else 's'} against a fixed policy"


def verdict_sentence(record: Record, *, level: float, missions: int = 1, unit: str = "reward per agent") -> str:
    """One pair's verdict as a sentence; `missions` is how many the comparison has."""
    a, b, where = record["policy_a"], record["policy_b"], place(record, missions)
    if record["estimand"] == "B":
        a, b = (_recipe(name, n) for name, n in ((a, record["n_a"]), (b, record["n_b"])))
    difference, low, high = (record[key] for key in ("difference", "interval_low", "interval_high"))
    verdict = record["verdict"]
    if verdict == "worse":  # the winner stands first
        a, b, difference = b, a, -difference
        low, high = (-high, -low) if low is not None and high is not None else (low, high)
    bounds = span(low, high)
    interval = f"{100 * level:.4g} % interval {bounds}" if bounds != UNKNOWN else "no interval"
    if verdict in ("better", "worse"):
        text = f"{a} beats {b} {where} by {number(difference)} {unit}, {interval} ({basis(record)})."
    elif verdict == "equivalent":
        text = f"{a} and {b} are equivalent {where}: they differ by {number(difference)}, {interval} ({basis(record)})."
    elif verdict == "inconclusive":
        text = (
            f"No difference between {a} and {b} is shown {where}: {number(difference)} {unit}, {interval} "
            f"({basis(record)}, p = {p_value(record['p_holm'])})."
        )
    elif difference is None or not isfinite(difference):
        text = f"{a} and {b} cannot be compared {where}: {record['reason']}."
    else:
        seen = f"{a} scored {number(abs(difference))} {'more' if difference > 0 else 'less'} than {b} {where}"
        if difference == 0:
            seen = f"{a} and {b} scored the same {where}"
        text = f"{seen}, but the data cannot tell chance from skill: {record['reason']} ({basis(record)})."
    return f"T{text[1:]}" if text.startswith("the recipe") else text


def _recipe(name: str, training_seeds: float | None) -> str:
    return f"the recipe {name}" if training_seeds is not None and isfinite(training_seeds) else name


def policy_sentence(record: Record, *, level: float, missions: int = 1, unit: str = "reward per agent") -> str:
    """One policy's mean as a sentence, for a comparison of one."""
    interval = span(record["interval_low"], record["interval_high"])
    detail = f"{100 * level:.4g} % interval {interval}" if interval != UNKNOWN else record["interval_method"]
    return (
        f"{record['policy']} scores {number(record['mean'])} {unit} {place(record, missions)}, "
        f"{detail} ({record['n_episodes']} episodes)."
    )
