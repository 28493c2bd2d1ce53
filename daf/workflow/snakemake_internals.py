"""Undocumented names of Snakemake, in one place; `snakemake_hooks` has those that DAF replaces.

tests/workflow/test_snakemake_internals.py fails when Snakemake changes one of them.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError
from daf.system.files import PROJECT
from daf.workflow.code_changes import change_in_words
from daf.workflow.first_estimates import first_estimate
from daf.workflow.run_record import PlannedJob

if TYPE_CHECKING:
    from snakemake.api import DAGApi
    from snakemake.workflow import Workflow


DEFAULT_PROFILE = Path("profiles") / "default"


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


def planned_files(workflow: Workflow) -> set[str]:
    """The files that this run makes, or finds up to date."""
    return {str(path) for job in workflow.dag.jobs for path in job.output}


def current_files(workflow: Workflow) -> set[str]:
    """Those of the planned files that this run has made so far, or found up to date."""
    dag = workflow.dag
    return {str(path) for job in dag.jobs if dag.noneedrun_finished(job) for path in job.output}


def planned_recipes(workflow: Workflow) -> dict[str, Mapping[str, Any]]:
    """By file, the recipe in the params of the job that makes it, if there is one."""
    recipes = [(job, job.params.get("recipe")) for job in workflow.dag.jobs]
    return {str(path): recipe for job, recipe in recipes if isinstance(recipe, dict) for path in job.output}


def planned_jobs(workflow: Workflow, logs: Path) -> list[PlannedJob]:
    """Every job of this run that writes a log, whether it is to run or up to date; rule by rule as the Snakefile."""
    order = _rule_order(workflow)
    return sorted(numbered_jobs(workflow, logs).values(), key=lambda job: order[job.rule])


def numbered_jobs(workflow: Workflow, logs: Path) -> dict[int, PlannedJob]:
    """The same by Snakemake's number."""
    needed, submits = set(workflow.dag.needrun_jobs()), submits_jobs(workflow)
    return {
        workflow.dag.jobid(job): PlannedJob(
            rule=job.rule.name,
            name="/".join(str(value) for value in (job.wildcards_dict or {}).values()),
            log=os.path.relpath(str(job.log[0]), logs),
            benchmark=os.path.relpath(str(job.benchmark), logs) if job.benchmark else None,
            threads=int(job.threads),
            needed=job in needed,
            first_estimate_s=first_estimate(
                job.rule.name,
                dict(job.params.items()),
                num_trials=_num_trials(job),
                is_submitted=submits and not job.is_local,
            ),
        )
        for job in workflow.dag.jobs
        if job.log
    }


def jobs_to_run(workflow: Workflow, logs: Path) -> list[tuple[PlannedJob, str]]:
    """The jobs with a log that this run makes, rule by rule as the Snakefile has them, with the reason in words."""
    dag = workflow.dag
    planned = numbered_jobs(workflow, logs)
    found = [(planned[dag.jobid(job)], _reason(dag.reason(job))) for job in dag.needrun_jobs() if job.log]
    order = _rule_order(workflow)
    return sorted(found, key=lambda pair: (order[pair[0].rule], pair[1], pair[0].name))


def _rule_order(workflow: Workflow) -> dict[str, int]:
    """By rule, its place in the Snakefile, which has them in the order of work."""
    return {rule.name: number for number, rule in enumerate(workflow.rules)}


def _reason(reason: Any) -> str:
    """Why a job runs: the first cause that applies, since the others follow from it."""
    if reason.forced:
        return "asked for"
    if reason.params_changed:
        return change_in_words(reason.params_changed.only_old, reason.params_changed.only_new)
    if reason.code_changed:
        return "its script changed"
    if reason.incomplete_output:
        return "interrupted before"
    if reason.missing_output:
        return "new"
    if reason.input_changed:
        return "other inputs than before"
    if reason.updated_input - reason.updated_input_run:
        return "its inputs changed"
    if reason.updated_input_run:
        return "its inputs are made again"
    return "asked for"


def _num_trials(job: Any) -> int:
    """How many trials a job runs."""
    return len(job.output.get("results", ())) or 1


def build_dag(dag: DAGApi) -> Workflow:
    """The workflow of a DAG that is complete, but that nothing runs."""
    workflow = dag.workflow_api._workflow
    workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True)
    workflow._build_dag()
    return workflow


def outputs_by_rule(workflow: Workflow) -> dict[str, list[list[Path]]]:
    """By rule, the output paths of each of its jobs."""
    found: dict[str, list[list[Path]]] = {}
    for job in workflow.dag.jobs:
        if job.output:
            found.setdefault(job.rule.name, []).append([Path(str(path)) for path in job.output])
    return found


def parallel_jobs(workflow: Workflow) -> int:
    """How many cores jobs may use here or, on a cluster, how many jobs there may be at once."""
    settings = workflow.resource_settings
    if workflow.dryrun:  # there is no executor that would submit; a profile for a cluster sets the number of jobs
        return int(settings.nodes or settings.cores or 1)
    return int((settings.nodes if submits_jobs(workflow) else settings.cores) or 1)


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


def finds_its_locks(folder: Path) -> bool:
    """Whether Snakemake, which takes braces in a path for wildcards, would find the locks in a working folder."""
    from snakemake.io import regex_from_filepattern

    locks = folder / ".snakemake" / "locks"
    try:
        pattern = re.compile(regex_from_filepattern(str(locks / "{n,[0-9]+}.input.lock")))
    except (re.error, ValueError):
        return False
    return pattern.match(str(locks / "0.input.lock")) is not None


def lock_files(workflow: Workflow) -> list[str]:
    """The locks that this run has written."""
    return list(getattr(workflow.persistence, "_lockfile", {}).values())  # a database has none


def unlock(workflow: Workflow) -> None:
    """Remove this run's lock before the process restarts in the same folder."""
    workflow.persistence.unlock()


def changed_params(workflow: Workflow) -> Iterator[tuple[str, set[str], set[str]]]:
    """Of every job to run that ran before with other params: its rule, and the `repr` of the params before and now."""
    for job in workflow.dag.needrun_jobs():
        if change := workflow.persistence.params_changed(job):
            yield job.rule.name, change.only_old, change.only_new


def environment_of_jobs(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that Snakemake gives a script with one thread, unless the user has moved the temporary folder."""
    threads = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
    added = {f"{library}_NUM_THREADS": "1" for library in threads} | {"VECLIB_MAXIMUM_THREADS": "1"}
    return {**environment, **added, **dict.fromkeys(("TMPDIR", "TMP", "TEMPDIR", "TEMP"), tempfile.gettempdir())}


class _AtJobStats(logging.Filter):
    """Lets everything pass, and calls `tell` at the table of the jobs to run."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def filter(self, record: logging.LogRecord) -> bool:
        from snakemake.logging import LogEvent

        if getattr(record, "event", None) is LogEvent.RUN_INFO:
            self._tell()
        return True


def at_job_stats(tell: Callable[[], None]) -> None:
    """Call `tell` whenever Snakemake prints the table of the jobs to run: before they run, and around a dry-run."""
    from snakemake.logging import logger

    for earlier in [known for known in logger.filters if isinstance(known, _AtJobStats)]:
        logger.removeFilter(earlier)  # of an earlier run in this process
    logger.addFilter(_AtJobStats(tell))


def say(text: str) -> None:
    """Print among Snakemake's own messages."""
    from snakemake.logging import logger

    logger.info(text)


def is_quiet_about_rules(workflow: Workflow) -> bool:
    """Whether Snakemake prints no blocks about rules, but progress."""
    from snakemake.settings.enums import Quietness

    quiet = set(workflow.output_settings.quiet or ())
    return Quietness.RULES in quiet and not {Quietness.PROGRESS, Quietness.ALL} & quiet


def quietness(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """What the default profile keeps quiet about: nothing in a dry-run, with --verbose, or with another profile."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--profile", default=environment.get("SNAKEMAKE_PROFILE"))
    words = _arguments_of_snakemake(command) or []
    try:
        profile = parser.parse_known_args(words)[0].profile
    except argparse.ArgumentError:  # no name behind --profile, which Snakemake's parser says
        return []
    is_dry = any(word in ("--dry-run", "--dryrun") or re.match("-[a-zA-Z]*n", word) for word in words)  # also -np, -nj4
    if is_dry or "--verbose" in words or profile not in (None, "", "none"):
        return []
    return ["rules", "host", "reason"]


def command_line_config(workflow: Workflow) -> Mapping[str, Any]:
    """The values of `--config` on the command line or in the profile."""
    return dict(workflow.config_settings.config)


def command_line_config_texts(workflow: Workflow) -> list[str]:
    """The values of `--config`, from the command line or the profile, as name=value as written; none in a job."""
    return [str(text) for text in workflow.config_settings.config_args or ()] if is_main_process(workflow) else []


def repeated_options(command: Sequence[str]) -> list[str]:
    """The options about the configuration that a command line of Snakemake has twice, of which it keeps the last."""
    return [f"--{name}" for name, values in _configuration_options(command).items() if len(values) > 1]


def configuration_words(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words behind `--config` and `--configfile` on a command line of Snakemake, whatever they are."""
    options = _configuration_options(command)
    return list(chain.from_iterable(options["config"])), list(chain.from_iterable(options["configfile"]))


def is_name_in_config(name: str) -> bool:
    """Whether `--config` of Snakemake takes the name in front of the equals sign."""
    return re.match(r"[a-zA-Z_][\w-]*\w$", name) is not None


def _configuration_options(command: Sequence[str]) -> dict[str, list[list[str]]]:
    """By option, the words behind each of its occurrences."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", "-C", nargs="*", action="append", default=[])
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="append", default=[])
    try:
        return vars(parser.parse_known_args(_arguments_of_snakemake(command) or [])[0])
    except argparse.ArgumentError:  # no file behind --configfile, which Snakemake's own parser says
        return {"config": [], "configfile": []}


def _arguments_of_snakemake(command: Sequence[str]) -> list[str] | None:
    """None if the command is another program."""
    program, *arguments = command
    path = Path(program)
    is_snakemake = path.name == "snakemake" or (path.name == "__main__.py" and path.parent.name == "snakemake")
    return arguments if is_snakemake else None


def profile_files(command: Sequence[str], environment: Mapping[str, str]) -> list[Path]:
    """The files of the profiles that a command line of Snakemake uses; none if the command is another program."""
    from snakemake.cli import get_profile_dir

    if (arguments := _arguments_of_snakemake(command)) is None:
        return []
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--profile", default=environment.get("SNAKEMAKE_PROFILE"))
    parser.add_argument("--workflow-profile")
    named, _ = parser.parse_known_args(arguments)
    shipped = next((str(folder) for folder in (DEFAULT_PROFILE, PROJECT / DEFAULT_PROFILE) if folder.is_dir()), None)
    profiles = [named.profile, named.workflow_profile or shipped]
    found = [get_profile_dir(profile) for profile in profiles if profile not in (None, "", "none")]
    return [entry[1] for entry in found if entry is not None]


def profile_resources(workflow: Workflow, rule: str) -> Mapping[str, Any]:
    """The resources that `set-resources` in the profile or on the command line gives a rule."""
    resources: Mapping[str, Any] = workflow.resource_settings._parsed_overwrite_resources.get(rule, {})
    return resources


def profile_number(workflow: Workflow, rule: str, name: str) -> int | None:
    """A resource that the profile gives a rule as a number.

    Raises:
        BadInputError: it is something else.
    """
    resources = profile_resources(workflow, rule)
    if name not in resources:  # `get` returns an unset resource
        return None
    value = resources[name].raw
    if not str(value).isdigit() or int(value) < 1:
        raise BadInputError("a whole number of at least 1", f"{value!r}", f"profile: set-resources: {rule}: {name}")
    return int(value)


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

    try:
        workflow = build_dag(dag)
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
