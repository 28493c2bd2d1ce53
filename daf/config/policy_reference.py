"""The forms in which Python code may name a policy, as the fields of a `PolicyConfig`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daf.errors import PolicyError

MAIN = "__main__"  # the module of a script that runs, and of a notebook's cells
FORMS = "a policy's shorthand, class path, file or class, a PolicyConfig or a PolicySpec"
_FILES = (".zip", ".safetensors")


def policy_fields(policy: Any) -> dict[str, Any]:
    """The fields of the PolicyConfig that a shorthand, class path, file, class, PolicySpec or dictionary means.

    Raises:
        PolicyError: none of these, or a class that cannot be found by its name.
    """
    if isinstance(policy, Path) or (isinstance(policy, str) and policy.endswith(_FILES)):
        return {"data_path": Path(policy)}
    if isinstance(policy, str):
        return {"class_path": policy}
    if isinstance(policy, type):
        return {"class_path": class_path_of(policy)}
    if isinstance(policy, Mapping):
        fields = dict(policy)
        if isinstance(fields.get("class_path"), type):
            fields["class_path"] = class_path_of(fields["class_path"])
        return fields
    if hasattr(policy, "class_path") and hasattr(policy, "init_kwargs"):  # a PolicySpec of the engine
        data_path = getattr(policy, "data_path", None)
        return {
            "class_path": policy.class_path,
            "data_path": Path(data_path) if data_path else None,
            "init_kwargs": dict(policy.init_kwargs),
        }
    kind = type(policy)
    hint = "pass its name in quotes, or the class itself"
    if hasattr(policy, "step_batch") or hasattr(policy, "step"):
        hint = "pass the class itself, and its arguments as PolicyConfig(class_path=…, init_kwargs=…)"
    found = f"an object of class {kind.__name__}" if kind.__module__ != "builtins" else f"{policy!r} ({kind.__name__})"
    raise PolicyError(FORMS, found, "policies", hint)


def class_path_of(policy_class: type) -> str:
    """The path under which a class can be imported, at least in this process.

    Raises:
        PolicyError: it was defined inside a function or another class, or its module has another class of this name.
    """
    name, module = policy_class.__qualname__, policy_class.__module__
    where = f"policy '{policy_class.__name__}'"
    if "." in name:
        inside = name.rpartition(".")[0].removesuffix(".<locals>")
        hint = "DAF builds policies from their class path: move the class to the top level of a module or notebook cell"
        raise PolicyError("a class at the top level of its module", f"one defined inside {inside}", where, hint)
    if getattr(sys.modules.get(module), name, None) is not policy_class:
        hint = "pass the class that now has this name: was the cell or module run again?"
        raise PolicyError(f"the class {module}.{name}", "an earlier class of this name", where, hint)
    return f"{module}.{name}"


def check_importable(class_path: str | None, process: str) -> None:
    """Refuse a class of the running script or notebook where another process must import it.

    Raises:
        PolicyError: the class is such a one.
    """
    module, _, name = (class_path or "").rpartition(".")
    if module == MAIN:
        hint = "move the class into a .py file and import it from there"
        raise PolicyError(f"a class in a module that {process} can import", f"{MAIN}.{name}", f"policy '{name}'", hint)
