"""What every program in scripts/ does around its one call: messages to the terminal and the rule's log file, and
errors as text with the right exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from daf.config import ExperimentConfig
from daf.errors import EXIT_FAILED, DafError
from daf.logging_config import DAFLogger, create_daf_logger
from daf.workflow.plan import Plan


@contextmanager
def script_context(snakemake: Any) -> Iterator[tuple[Plan, DAFLogger]]:
    """The plan of the experiment, and a logger that writes to the terminal and to `log[0]`."""
    plan = Plan(ExperimentConfig.from_dict(dict(snakemake.config)))
    logger = create_daf_logger(snakemake.rule, level=plan.experiment.daf.log_level, log_file=str(snakemake.log[0]))
    try:
        yield plan, logger
    except DafError as error:
        logger.error(str(error))
        sys.exit(error.exit_code)
    except Exception:
        logger.error(traceback.format_exc())
        sys.exit(EXIT_FAILED)
