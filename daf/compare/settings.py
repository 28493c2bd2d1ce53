"""Settings of a comparison: a configuration, with keyword overrides."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from daf.config import DAFComparisonConfig
from daf.errors import BadInputError, did_you_mean


def comparison_config(
    function: Callable[..., Any], config: DAFComparisonConfig | None, overrides: Mapping[str, Any], **arguments: Any
) -> DAFComparisonConfig:
    """The configuration of a call: the given one or the defaults, updated by overrides and arguments.

    Its policies and missions are labels, which are resolved already or come from a table.

    Args:
        function: the public function that was called; errors name it.
        arguments: keys that the function's own arguments set.

    Raises:
        BadInputError: an override of a key that the function sets itself, and which would have no effect.
        ConfigError: a value that the configuration rejects.
    """
    for name in arguments:
        if name in overrides:
            raise BadInputError("a keyword other than those that the function sets", f"'{name}'", function.__name__)
    base = {} if config is None else config.to_dict()
    full = DAFComparisonConfig.from_labels({**base, **overrides, **arguments}, source=function.__name__)
    if full.learning_curves is not None:
        hint = "compare the runs that trained the policies by `daf.comparison.compare_learning_curves`"
        raise BadInputError("no learning_curves: nothing is trained here", "a score", function.__name__, hint)
    return full


def check_overrides(function: Callable[..., Any], overrides: Mapping[str, Any]) -> None:
    """Reject keywords that are neither parameters of a function nor keys of `DAFComparisonConfig`.

    Raises:
        BadInputError: such a keyword, with the nearest known one.
    """
    parameters = [name for name, p in inspect.signature(function).parameters.items() if p.kind != p.VAR_KEYWORD]
    known = {*parameters, *DAFComparisonConfig.model_fields}
    for name in overrides:
        if name in known:
            continue
        renamed = DAFComparisonConfig.RENAMED.get(name)
        hint = f"`{name}` is now called {renamed}" if renamed else did_you_mean(name, known)
        raise BadInputError("a known keyword", f"'{name}'", function.__name__, hint)
