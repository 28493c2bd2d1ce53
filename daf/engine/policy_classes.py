"""Names → policy classes.

A class path is imported alone; packages are searched only for shorthands, CoGames' own first. So a broken optional
package does not stop an experiment that uses nothing of it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.abc import SourceLoader
from importlib.machinery import FileFinder
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from mettagrid.policy import policy_registry
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy

from daf.errors import PolicyError, did_you_mean
from daf.system.failure_report import FailureReport, place_of_class
from daf.system.process_state import current_folder_kept

ALIASES = {
    "grid": "daf.engine.grid_policy.GridPolicy",
    "baseline": "cogames.policy.starter_agent.StarterPolicy",
}
# The packages in which the engine looks for shorthands: its own, and others that may be installed.
OWN_PACKAGES = ("mettagrid.policy", "cogames.policy")
OPTIONAL_PACKAGES = (
    "metta.agent.policy",
    "metta.rl.training.cuda_teacher",
    "cogames_agents.policy",
    "cog_cyborg.policy",
)

PolicyClass = type[MultiAgentPolicy] | type[AgentPolicy]


class _ShortNames(dict[str, str]):
    """The engine's registry of short names, in which two classes may declare the same one.

    The engine refuses to import the second class, for example another version of the same file. Here, the name belongs
    to the engine's class if it has one, otherwise to the first class.
    """

    def __contains__(self, name: object) -> bool:
        return False  # asked only before the engine refuses

    def __setitem__(self, name: str, path: str) -> None:
        if path.startswith(OWN_PACKAGES) or self.get(name) is None:
            super().__setitem__(name, path)


policy_registry._POLICY_REGISTRY = _ShortNames(policy_registry._POLICY_REGISTRY)


def list_policies() -> list[str]:
    """Shorthands that `full_class_path` knows."""
    for package in (*OWN_PACKAGES, *OPTIONAL_PACKAGES):
        _import_package(package)
    return sorted({*ALIASES, *policy_registry.get_policy_registry()})


def full_class_path(name: str) -> str:
    """The class path of a shorthand or class path, whether or not there is such a class."""
    if "." in name:
        return name
    for package in OWN_PACKAGES:
        if path := _registered(name):
            return path
        _import_candidates(package, name)
    for package in (*OWN_PACKAGES, *OPTIONAL_PACKAGES):
        if path := _registered(name):
            return path
        _import_package(package)
    return policy_registry.get_policy_registry().get(name, name)


def _registered(name: str) -> str | None:
    return ALIASES.get(name) or policy_registry.get_policy_registry().get(name)


@cache
def _import_candidates(package: str, name: str) -> None:
    """Import the modules of an engine's package that contain a shorthand; the others would import torch, in seconds."""
    with suppress(Exception):  # whoever then imports the whole package reports it
        folder = importlib.import_module(package).__path__
        for finder, module, is_package in pkgutil.iter_modules(folder, f"{package}."):
            spec = None if is_package else cast(FileFinder, finder).find_spec(module)
            if spec and f'"{name}"' in (cast(SourceLoader, spec.loader).get_source(module) or ""):
                importlib.import_module(module)


@cache
def _import_package(package: str) -> tuple[str, ...]:
    """Import all modules of a package, so that their classes register; returns why some could not be."""
    try:
        with current_folder_kept():
            module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name and package.startswith(error.name):
            return ()  # not installed
        return (_broken(package, error),)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return (_broken(package, error),)
    return tuple(_import_members(module))


def _import_members(package: ModuleType) -> Iterator[str]:
    for _, name, _ in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
        try:
            with current_folder_kept():
                module = importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            yield _broken(name, error)
        else:
            yield from _import_members(module)


def _broken(module: str, error: BaseException) -> str:
    return f"{module} cannot be imported: {FailureReport.of(error)}"


def load_policy_class(class_path: str, name: str | None = None) -> PolicyClass:
    """Import a policy class.

    Raises:
        PolicyError: the module or class does not exist, its import fails, or it is not a policy.
    """
    where = f"policy '{name or class_path}'"
    module_path, _, class_name = class_path.rpartition(".")
    if not module_path:
        broken = [reason for package in OPTIONAL_PACKAGES for reason in _import_package(package)]
        hint = "; ".join([did_you_mean(class_path, list_policies()), *broken])
        raise PolicyError("a policy's shorthand or class path", f"'{class_path}'", where, hint)
    module = _import_module(module_path, where)
    policy_class = getattr(module, class_name, None)
    if policy_class is None:
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        hint = did_you_mean(class_name, classes)
        raise PolicyError(f"a class in {module_path}", f"no '{class_name}'", where, hint)
    if not (inspect.isclass(policy_class) and issubclass(policy_class, (MultiAgentPolicy, AgentPolicy))):
        kind = f"class {class_name}" if inspect.isclass(policy_class) else f"a {type(policy_class).__name__}"
        place = place_of_class(policy_class)
        hint = "extend BatchPolicy or NetworkPolicy (daf.policies), or one of those two (mettagrid.policy.policy)"
        raise PolicyError(
            "a subclass of MultiAgentPolicy or AgentPolicy", kind, f"{where}, {place}" if place else where, hint
        )
    return policy_class


def _import_module(module_path: str, where: str) -> ModuleType:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # as in the cogames command, a module in the current folder is found
    expected = "a module that can be imported"
    try:
        with current_folder_kept():
            return importlib.import_module(module_path)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if f"{module_path}.".startswith(f"{missing}."):
            hint = did_you_mean(missing, (path.stem for path in Path.cwd().glob("*.py")), list_at_most=0)
            hint = hint or f"is the folder that holds '{missing}' the current one, or on PYTHONPATH?"
            raise PolicyError(expected, str(error), where, hint) from error
        raise PolicyError(expected, FailureReport.of(error).cause, where, f"install '{missing}'?") from error
    except SystemExit as error:
        found = f"{module_path} ends the program: {FailureReport.of(error).cause}"
        raise PolicyError(expected, found, where, "raise an exception that says what is missing instead") from error
    except Exception as error:  # a user's module may fail in any way
        hint = f"fix the module: `python -c 'import {module_path}'` has the traceback"
        raise PolicyError(expected, FailureReport.of(error).cause, where, hint) from error


def check_arguments(policy_class: PolicyClass, init_kwargs: dict[str, Any], name: str) -> None:
    """Raise PolicyError if the class does not accept one of the arguments."""
    parameters = inspect.signature(policy_class).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = list(parameters)[1:]  # the first argument is the environment
    if takes_agent_id(policy_class):
        known.remove("agent_id")  # DAF passes it
    for key in init_kwargs:
        if key not in known:
            hint = did_you_mean(key, known)
            raise PolicyError(f"an argument of {policy_class.__name__}", f"'{key}'", f"init_kwargs of '{name}'", hint)


def takes_agent_id(policy_class: PolicyClass) -> bool:
    """Whether this is a class for one agent, whose constructor asks which."""
    return issubclass(policy_class, AgentPolicy) and "agent_id" in inspect.signature(policy_class).parameters


def acts_on_batches(policy_class: PolicyClass) -> bool:
    """Whether the class has `step_batch`."""
    return issubclass(policy_class, MultiAgentPolicy) and policy_class.step_batch is not MultiAgentPolicy.step_batch


def acts_for_one_agent(policy_class: PolicyClass) -> bool:
    """Whether the class has the interface through which the engine's own rollout plays, and members of teams."""
    return issubclass(policy_class, AgentPolicy) or policy_class.agent_policy is not MultiAgentPolicy.agent_policy
