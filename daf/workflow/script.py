"""What every program in scripts/ does around its one call: messages to the terminal and the rule's log file, and
errors as text with the right exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from daf.config import DAFConfig, ExperimentConfig
from daf.errors import EXIT_FAILED, DafError
from daf.logging_config import DAFLogger, create_daf_logger
from daf.workflow.plan import Plan


@dataclass(frozen=True)
class ScriptContext:
    """What a script may use beside its rule's `params`, input, and output. None of it decides a result.

    Attributes:
        settings: how jobs run here: device, log level.
        logger: writes to the terminal and to the rule's log file.
    """

    settings: DAFConfig
    logger: DAFLogger
    config: dict[str, Any]

    @cached_property
    def plan(self) -> Plan:
        return Plan(ExperimentConfig.from_dict(self.config))


@contextmanager
def script_context(snakemake: Any) -> Iterator[ScriptContext]:
    """Settings and a logger for the body of a script; a failure in the body is logged and ends the program."""
    settings = DAFConfig.from_dict(dict(snakemake.config.get("daf") or {}))
    logger = create_daf_logger(snakemake.rule, level=settings.log_level, log_file=str(snakemake.log[0]))
    try:
        yield ScriptContext(settings, logger, dict(snakemake.config))
    except DafError as error:
        logger.error(str(error))
        sys.exit(error.exit_code)
    except Exception:
        logger.error(traceback.format_exc())
        sys.exit(EXIT_FAILED)
