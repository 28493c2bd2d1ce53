"""Running the Snakefile from Python, through Snakemake's API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from daf.config import ExperimentConfig
from daf.errors import BadInputError, WorkflowFailedError, ending_in_one_line
from daf.system.files import PROJECT
from daf.system.interrupts import interrupts_noticed
from daf.system.user_paths import output_folder, user_path
from daf.workflow.lock import SNAKEMAKE, leave
from daf.workflow.notebook import progress_in_notebook
from daf.workflow.plan import Plan
from daf.workflow.preflight import check_once

if TYPE_CHECKING:
    from snakemake.api import DAGApi


def run_workflow(
    *, config_path: str | Path, targets: Sequence[str] = (), cores: int = 1, dry_run: bool = False, quiet: bool = True
) -> None:
    """Make targets of an experiment; finished files are kept, so a second call continues where the first stopped.

    It runs in the current folder, like `snakemake` itself; relative paths of the experiment are relative to it.

    Args:
        config_path: the experiment file.
        targets: names of rules or files; none means everything.
        cores: number of parallel jobs.
        dry_run: only show what would run.
        quiet: show only DAF's messages.

    Raises:
        ConfigError: the experiment is wrong; nothing ran.
        BadInputError: DAF is installed without its workflow.
        WorkflowFailedError: the workflow ended without its targets.
    """
    from snakemake.exceptions import WorkflowError
    from snakemake.scheduling.greedy import SchedulerSettings as GreedySettings
    from snakemake.settings.types import ExecutionSettings, SchedulingSettings

    config_path = user_path(config_path, "config_path").resolve()
    snakefile()
    experiment = ExperimentConfig.from_yaml(config_path)
    output_folder(experiment.daf.output_dir, f"{config_path}: daf.output_dir")
    check_once(Plan(experiment), str(config_path), warn=False)  # the Snakefile warns
    try:
        with (
            progress_in_notebook(experiment.name, experiment.daf.output_dir, dry_run=dry_run),
            interrupts_noticed() as interrupts,
            open_dag(config_path, targets, cores=cores, quiet=quiet) as dag,
        ):
            dag.execute_workflow(
                executor="dryrun" if dry_run else "local",
                execution_settings=ExecutionSettings(keep_going=True),
                scheduling_settings=SchedulingSettings(scheduler="greedy"),
                scheduler_settings=GreedySettings(),
            )
    except (WorkflowError, SystemExit) as error:
        if interrupts:
            with ending_in_one_line("interrupted by Ctrl-C; finished files are kept, and training has a checkpoint"):
                raise KeyboardInterrupt from None
        raise WorkflowFailedError(
            f"targets {', '.join(targets) or 'all'} of {config_path}",
            str(error) or type(error).__name__,
            "workflow",
            "the messages above and the logs under <output_dir>/logs say which rule failed; run again to continue",
        ) from error


@contextmanager
def open_dag(config_path: Path, targets: Sequence[str], *, cores: int = 1, quiet: bool = True) -> Iterator[DAGApi]:
    """Snakemake's DAG of the targets, in the current folder."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    hidden = {Quietness.RULES, Quietness.PROGRESS, Quietness.HOST, Quietness.REASON} if quiet else set()
    triggers = {RerunTrigger.MTIME, RerunTrigger.INPUT, RerunTrigger.PARAMS, RerunTrigger.CODE}
    locked = SNAKEMAKE.absolute()  # this process may live on: a notebook
    try:
        with SnakemakeApi(OutputSettings(quiet=hidden, show_failed_logs=True)) as api:
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=cores),
                config_settings=ConfigSettings(configfiles=[config_path]),
                snakefile=snakefile(),
                workdir=Path.cwd(),
            )
            yield workflow.dag(
                dag_settings=DAGSettings(targets=set(targets), force_incomplete=True, rerun_triggers=triggers)
            )
    finally:
        leave(locked)


def snakefile() -> Path:
    """DAF's Snakefile.

    Raises:
        BadInputError: DAF is installed without its workflow.
    """
    path = PROJECT / "Snakefile"
    if not path.is_file():
        hint = "install DAF from its repository with `pip install -e .`"
        raise BadInputError("DAF's Snakefile next to the package", "no such file", str(path), hint)
    return path
