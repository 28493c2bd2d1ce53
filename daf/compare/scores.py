"""Comparisons of external tables of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import DAFComparisonConfig, Normalization
from daf.errors import BadInputError
from daf.system.files import file_sha256
from daf.system.user_paths import user_path

if TYPE_CHECKING:
    import pandas as pd

    from daf.statistics.results import ComparisonResults


def names_as_text(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords with names of policies and missions as text, as in a table of scores."""
    texts = dict(overrides)
    if texts.get("reference") is not None:
        texts["reference"] = str(texts["reference"])
    normalization = texts.get("normalization")
    if isinstance(normalization, Mapping):
        texts["normalization"] = {key: _as_text(end) for key, end in normalization.items()}
    elif isinstance(normalization, Path):
        texts["normalization"] = str(normalization)
    elif isinstance(normalization, Normalization):
        texts["normalization"] = normalization.to_dict()
    return texts


def _as_text(end: Any) -> Any:
    if isinstance(end, Mapping):
        return {str(mission): score for mission, score in end.items()}
    return str(end) if isinstance(end, Real) else end


def compare_score_table(
    episodes: pd.DataFrame, notes: Sequence[str], config: DAFComparisonConfig, source: Any
) -> ComparisonResults:
    """Compare a table of scores that `daf.statistics.scores.to_episodes` read from `source`, with its notes."""
    from daf.statistics.comparison import compare_episodes
    from daf.system.provenance import utc_now

    if episodes["mean_reward"].isna().all():
        raise BadInputError("episodes with rewards", "failed episodes only", source_name(source))
    table: dict[str, Any] = {"source": source_name(source), "rows": len(episodes)}
    if isinstance(source, str | Path) and user_path(source, "scores").is_file():
        table["sha256"] = file_sha256(user_path(source, "scores"))
    results = compare_episodes(episodes, config, provenance={"table": table, "created": utc_now()})
    return replace(results, notes=(*results.notes, *notes, *_fixed_policies(results)))


def source_name(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else "table of scores"


def _fixed_policies(results: ComparisonResults) -> list[str]:
    """A note if only some policies have training seeds: the table does not show whether the others were trained."""
    trained = {record.policy: record.trained for record in results.summary}
    fixed = [policy for policy, known in trained.items() if not known]
    if not fixed or len(fixed) == len(trained):
        return []
    have, it = ("has no training seed and counts", "it")
    if len(fixed) > 1:
        have, it = ("have no training seeds and count", "them")
    return [
        f"{' and '.join(fixed)} {have} as fixed: the comparison of recipes does not ask what training {it} again would "
        "change."
    ]
