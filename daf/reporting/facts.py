"""Records as lists of facts in words: labels for people instead of the keys of files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_origin

from pydantic import BaseModel

from daf.statistics import sentences

Fact = tuple[str, str]
LABELS = {
    "cpu": "CPU", "cpu_count": "CPU cores", "git": "Source code", "hostname": "Machine", "host": "Machine",
    "memory_bytes": "Memory in bytes", "num_agents": "Agents", "max_steps": "Steps at most",
    "slurm_job_id": "Slurm job", "success_reason": "Why this counts as success", "episode_seeds_sha256":
    "Episode seeds, SHA-256", "recipe_digest": "Digest of the recipe", "num_resamples": "Resamples", "seed": "Seed of "
    "the resampling", "iqm": "IQM", "action_names": "Actions", "origin": "Source", "dirty": "Uncommitted changes",
    "max_episodes_per_mission": "Episodes per mission at most", "num_interim_analyses": "Interim analyses",
}  # fmt: skip
UNNAMED = {"computation"}  # groups whose name tells nothing
# Of these, the keys are names of missions, packages or files, and are shown as they are.
OF_NAMES = {"episode_seeds", "versions", "normalization", "success", "files", "distributions"}
SHOWN = 20


def facts(data: Mapping[str, Any]) -> list[Fact]:
    """Nested plain data as (label, text), depth first; empty parts are left out."""
    return list(_facts(data, (), names=False))


def settings(config: BaseModel) -> list[Fact]:
    """The values of a configuration; a choice between words is shown as words."""
    data = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        if get_origin(field.annotation) is Literal:
            data[name] = str(data[name]).replace("_", " ")
    return facts(data)


def _facts(data: Mapping[str, Any], above: tuple[str, ...], *, names: bool) -> Iterator[Fact]:
    for key, value in data.items():
        labels = (*above, *([] if key in UNNAMED else [str(key) if names else label(str(key))]))
        if isinstance(value, Mapping):
            yield from _facts(value, labels, names=str(key) in OF_NAMES)
        elif value != []:
            yield ": ".join(labels), text(value)


def label(key: str) -> str:
    """'confidence_level' as 'Confidence level'."""
    words = key.replace("_", " ")
    return LABELS.get(key, words[:1].upper() + words[1:])


def text(value: Any) -> str:
    """A value as text; long lists are shortened."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        shown = ", ".join(text(item) for item in value[:SHOWN])
        return shown + (f", … ({len(value)} in all)" if len(value) > SHOWN else "")
    if isinstance(value, Mapping):
        return ", ".join(f"{label(str(key))} {text(item)}" for key, item in value.items())
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return sentences.UNKNOWN
    return f"{value:.6g}" if isinstance(value, float) else str(value)
