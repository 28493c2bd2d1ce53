"""Every use of undocumented names of Snakemake, in one place.

tests/workflow/test_snakemake_internals.py fails when Snakemake changes one of them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError

if TYPE_CHECKING:
    from snakemake.api import DAGApi
    from snakemake.workflow import Workflow


def is_main_process(workflow: Workflow) -> bool:
    """Whether this is the process that the user started, not a job's."""
    return bool(workflow.is_main_process)


def submits_jobs(workflow: Workflow) -> bool:
    """Whether jobs run elsewhere, on a cluster for example."""
    return not workflow.local_exec


def submitted_jobs(workflow: Workflow) -> list[tuple[str, int, Mapping[str, Any]]]:
    """Rule, threads and resources of every job to be submitted."""
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    return [(job.rule.name, job.threads, job.resources) for job in jobs]


def targets_and_patterns(workflow: Workflow) -> tuple[set[str], dict[str, list[str]]]:
    """The targets on the command line, and the output patterns of every rule that has wildcards.

    While the Snakefile is read, Snakemake has not yet handed the targets to the workflow. Without a pattern among the
    arguments, or in a job, there are no targets.
    """
    from snakemake.cli import get_argument_parser
    from snakemake.io import strip_wildcard_constraints

    patterns = {
        rule.name: [strip_wildcard_constraints(str(path)) for path in rule.output]
        for rule in workflow.rules
        if rule.has_wildcards()
    }
    if not is_main_process(workflow) or not patterns.keys() & set(sys.argv):
        return set(), patterns
    arguments, _ = get_argument_parser().parse_known_args(sys.argv[1:])
    return set(arguments.targets), patterns


def slurm_status_command(workflow: Workflow) -> str | None:
    """The program that the slurm executor uses to query job states, squeue or sacct; None with another executor."""
    command: str | None = getattr(workflow.executor_settings, "status_command", None)
    return command


def unlock(workflow: Workflow) -> None:
    """Remove this run's lock before the process restarts in the same folder."""
    workflow.persistence.unlock()


def profile_resources(workflow: Workflow, rule: str) -> Mapping[str, Any]:
    """The resources that `set-resources` in the profile or on the command line gives a rule."""
    resources: Mapping[str, Any] = workflow.resource_settings._parsed_overwrite_resources.get(rule, {})
    return resources


def set_resources(workflow: Workflow, rule: str, resources: Mapping[str, Any]) -> None:
    """Replace resources of a rule, as `set-resources` would."""
    workflow.get_rule(rule).resources.update(resources)


def script_that_makes(dag: DAGApi, target: str) -> tuple[Path, Any]:
    """The script of the rule that creates a file, and the `snakemake` object that its job would get.

    Raises:
        BadInputError: the target is not a file that a script creates, or its inputs are missing.
    """
    from snakemake.exceptions import MissingRuleException
    from snakemake.iocontainers import Snakemake

    workflow = dag.workflow_api._workflow
    workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True)
    try:
        workflow._build_dag()
    except MissingRuleException:
        raise BadInputError("a file that a rule creates", f"'{target}'", "target", "see docs/outputs.md") from None
    jobs = [job for job in workflow.dag.jobs if target in map(str, job.output) and job.rule.script]
    if not jobs:
        raise BadInputError(
            "a file that a script creates", f"'{target}'", "target", "a stage such as `train` is not a file"
        )
    (job,) = jobs
    if missing := [str(path) for path in job.input if not Path(path).exists()]:
        raise BadInputError("the inputs of the script", f"no {missing[0]}", target, f"snakemake {missing[0]}")
    script = Path(str(job.rule.basedir)) / job.rule.script
    return script.resolve(), Snakemake(
        job.input,
        job.output,
        job.params,
        job.wildcards,
        job.threads,
        job.resources,
        job.log,
        workflow.config,
        job.rule.name,
        None,
        script.parent,
    )
