"""Checking an experiment with the engine before a DAG is built, once per content.

The check loads the engine, which takes seconds; every call of Snakemake would pay for it. So a passed check leaves a
stamp under .snakemake/ that names everything it depended on.
"""

from __future__ import annotations

from pathlib import Path

from daf.engine.stamps import engine_stamp
from daf.files import digest, file_sha256, write_text
from daf.plan import Plan, check_with_engine
from daf.recipes import STAGE_VERSIONS

STAMPS = Path(".snakemake") / "daf"
KNOWN_PACKAGES = ("daf.", "cogames.", "mettagrid.")


def check_once(plan: Plan, source: str) -> None:
    """Raise ConfigError unless the experiment passes, now or when it was checked before."""
    stamp = STAMPS / f"checked-{_content(plan)[:32]}"
    if stamp.exists() and not _uses_foreign_code(plan):
        return
    check_with_engine(plan, source)
    write_text(stamp, f"{source}\n")


def _content(plan: Plan) -> str:
    """What the outcome of the check depends on: the experiment, the files it names, the engine, this code."""
    weights = [policy.data_path for policy in plan.experiment.policies.values() if policy.data_path]
    return digest(
        {
            "experiment": plan.experiment.to_dict(),
            "missions": [plan.mission_recipe(mission).to_dict() for mission in plan.all_missions()],
            "weights": [file_sha256(path) if path.is_file() else None for path in weights],
            "engine": engine_stamp(),
            "stages": STAGE_VERSIONS,
        }
    )


def _uses_foreign_code(plan: Plan) -> bool:
    """Whether a policy class is a user's own: its code may change without any file named here changing."""
    experiment = plan.experiment
    paths = [policy.class_path for policy in experiment.policies.values()]
    paths += [sweep.policy_class_path for sweep in experiment.sweeps.values()]
    paths += [run.policy_class_path for run in experiment.training.values()]
    paths += [name for comparison in experiment.comparisons.values() for name in comparison.policies]
    return any(path and "." in path and not path.startswith(KNOWN_PACKAGES) for path in paths)
