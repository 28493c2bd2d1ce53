"""Learning curves of training runs that may still run, thinned: few lines are parsed, however long a run is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from daf.errors import DafError
from daf.system.json_files import parse_json

# As in daf.training.paths, whose imports take longer than the whole page of an experiment.
METRICS, STATE = "metrics.jsonl", "state"
SAMPLES = 48  # points of a curve, at most
_NO_REWARD = re.compile(rb'"episode_reward":\s*null')  # most lines of a run with long episodes: not worth parsing

Point = tuple[int, float]


@dataclass(frozen=True, kw_only=True)
class SampledCurve:
    """Reward per episode over agent-steps.

    Attributes:
        agent_steps: trained so far.
        points: agent-steps and reward, the first and the last always; empty if no episode has ended yet.
    """

    agent_steps: int
    points: tuple[Point, ...]


def sampled_curve(folder: Path) -> SampledCurve | None:
    """The curve of a training run's folder: what it has published or, if newer, what grows next to its state."""
    candidates = [folder / METRICS, *(folder / STATE).glob(f"*/{METRICS}")]
    found = []
    for path in candidates:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((status.st_mtime_ns, path, status.st_size))
    if not found:
        return None
    changed, path, size = max(found)
    try:
        return _sampled(path, changed, size)
    except OSError:
        return None


@lru_cache(maxsize=1024)
def _sampled(path: Path, changed_ns: int, size: int) -> SampledCurve | None:
    ended, last = _lines(path, size)
    by_steps: dict[int, float | None] = {}
    for line in [*_thinned(ended), last]:
        try:
            record = parse_json(line, str(path))
            by_steps[int(record["agent_steps"])] = record.get("episode_reward")
        except (DafError, KeyError, TypeError, ValueError):
            continue
    if not by_steps:
        return None
    points = tuple((steps, float(value)) for steps, value in sorted(by_steps.items()) if value is not None)
    return SampledCurve(agent_steps=max(by_steps), points=points)


def _lines(path: Path, size: int) -> tuple[list[bytes], bytes]:
    """The complete lines of updates in which episodes ended, and the last complete line; the next is being written."""
    with open(path, "rb") as stream:
        lines = stream.read(size).split(b"\n")[:-1]
    return [line for line in lines if line and not _NO_REWARD.search(line)], lines[-1] if lines else b""


def _thinned(lines: list[bytes]) -> list[bytes]:
    """At most `SAMPLES` lines at equal distances, with the first and the last."""
    if len(lines) <= SAMPLES:
        return lines
    return [lines[round(number * (len(lines) - 1) / (SAMPLES - 1))] for number in range(SAMPLES)]
