"""Nouns that agree with their number."""

from __future__ import annotations


def number_of(count: int, noun: str, *, digits: bool = True) -> str:
    """'1 episode', '2,000 training seeds'.

    Args:
        noun: in the singular; of several words, the last one changes.
        digits: False leaves the number out, for one that is shown otherwise: 'episodes'.
    """
    word = noun if count == 1 else _plural(noun)
    return f"{count:,} {word}" if digits else word


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
