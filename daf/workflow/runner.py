"""Running the Snakefile from Python, through Snakemake's own API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daf.errors import BadInputError, WorkflowFailedError
from daf.system.files import PROJECT


def run_workflow(
    *, config_path: str | Path, targets: Sequence[str] = (), cores: int = 1, dry_run: bool = False, quiet: bool = True
) -> None:
    """Make targets of an experiment; finished files are kept, so a second call goes on where the first stopped.

    It runs in the current folder, like `snakemake` itself; relative paths of the experiment are relative to it.

    Args:
        config_path: the experiment file.
        targets: names of rules or files; none means everything.
        cores: jobs at once.
        dry_run: say what would run, and run nothing.
        quiet: show DAF's own messages only.

    Raises:
        ConfigError: the experiment is wrong; nothing ran.
        BadInputError: DAF is installed without its workflow.
        WorkflowFailedError: the workflow ended without its targets.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import WorkflowError
    from snakemake.scheduling.greedy import SchedulerSettings as GreedySettings
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ExecutionSettings,
        OutputSettings,
        ResourceSettings,
        SchedulingSettings,
    )

    from daf.config import ExperimentConfig
    from daf.workflow.plan import Plan
    from daf.workflow.preflight import check_once

    snakefile = PROJECT / "Snakefile"
    if not snakefile.is_file():
        hint = "install DAF from its repository with `pip install -e .`"
        raise BadInputError("DAF's Snakefile beside the package", "no such file", str(snakefile), hint)
    config_path = Path(config_path).resolve()
    check_once(Plan(ExperimentConfig.from_yaml(config_path)), str(config_path))
    shown = {Quietness.RULES, Quietness.PROGRESS, Quietness.HOST, Quietness.REASON} if quiet else set()
    try:
        with SnakemakeApi(OutputSettings(quiet=shown, show_failed_logs=True)) as api:
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=cores),
                config_settings=ConfigSettings(configfiles=[config_path]),
                snakefile=snakefile,
                workdir=Path.cwd(),
            )
            dag = workflow.dag(
                dag_settings=DAGSettings(
                    targets=set(targets),
                    force_incomplete=True,
                    rerun_triggers={RerunTrigger.MTIME, RerunTrigger.INPUT, RerunTrigger.PARAMS, RerunTrigger.CODE},
                )
            )
            dag.execute_workflow(
                executor="dryrun" if dry_run else "local",
                execution_settings=ExecutionSettings(keep_going=True),
                scheduling_settings=SchedulingSettings(scheduler="greedy"),
                scheduler_settings=GreedySettings(),
            )
    except (WorkflowError, SystemExit) as error:
        raise WorkflowFailedError(
            f"targets {', '.join(targets) or 'all'} of {config_path}",
            str(error) or type(error).__name__,
            "workflow",
            "the messages above and the logs under <output_dir>/logs say which rule failed; run again to go on",
        ) from error
