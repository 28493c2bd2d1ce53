"""`daf missions`, `daf policies` and `daf stats`: what there is to play, who plays, and what episodes report."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from daf.errors import EXIT_BAD_INPUT, EXIT_OK, BadInputError, DafError, PolicyError
from daf.system.nouns import number_of
from daf.system.readers import read_text
from daf.system.user_paths import user_path

WIDTH = 118  # of a line


def missions(options: argparse.Namespace) -> int:
    """Answer `daf missions`."""
    from daf.engine.missions import list_missions, resolve_mission

    if options.names:
        for name in options.names:
            mission = resolve_mission(name)
            steps = number_of(mission.max_steps, "step") if mission.max_steps else "no step limit"
            print(f"{mission.name} · {number_of(mission.num_agents, 'agent')} · {steps} · from {mission.origin}")
            print(f"  {mission.description or 'no description'}")
            print(f"  success: {mission.success or 'undeclared'} ({mission.success_reason})")
        return EXIT_OK
    for name in list_missions():
        mission = resolve_mission(name)
        agents = number_of(mission.num_agents, "agent", digits=False)
        print(_line(name, 44, f"{mission.num_agents:>3} {agents:<6}  {mission.description}"))
    return EXIT_OK


def policies(options: argparse.Namespace) -> int:
    """Answer `daf policies`."""
    if options.policy is None:
        from daf.engine.policy_classes import full_class_path, list_policies, load_policy_class

        for name in list_policies():
            try:
                meaning = load_policy_class(full_class_path(name)).__doc__ or full_class_path(name)
            except DafError as error:
                meaning = f"cannot be imported: {error.found}"
            print(_line(name, 24, meaning))
        return EXIT_OK
    verdicts = [_check(policy, options.mission) for policy in _policies_of(options.policy)]
    return EXIT_OK if all(verdicts) else EXIT_BAD_INPUT


def _check(policy: str, mission: str) -> bool:
    """Print what is wrong with a policy, and the verdict; return whether it can play."""
    from daf.engine.rehearsal import check_policy

    rehearsed = check_policy(policy, mission)
    findings = rehearsed.findings
    errors = [finding for finding in findings if finding.status == "error"]
    for finding in findings:
        print(f"{'ERROR  ' if finding in errors else 'WARNING'} {finding}")
    if errors:
        print(f"{policy}: cannot play {mission} yet: {len(errors)} to mend")
    elif findings:
        print(f"{policy}: plays {mission}; {number_of(len(findings), 'warning')} above")
    else:
        rest = ", was trained, saved and loaded" if rehearsed.trained else "; it has no network to train"
        print(f"{policy}: all is well: it acted on {mission}{rest}")
    return not errors


def _policies_of(named: str) -> list[str]:
    """The class paths of the policies in a .py file; anything else names a policy itself."""
    if not named.endswith(".py"):
        return [named]
    path = user_path(named, "policy")
    classes = list(_policy_classes(ast.parse(_source(path), str(path))))
    if not classes:
        hint = "extend daf.policies.BatchPolicy or NetworkPolicy"
        raise PolicyError("a class that extends a policy", "none", str(path), hint)
    folder, here = path.resolve().parent, Path.cwd()
    if folder.is_relative_to(here):
        module = ".".join([*folder.relative_to(here).parts, path.stem])
    else:
        sys.path.insert(0, str(folder))
        module = path.stem
    return [f"{module}.{name}" for name in classes]


def _source(path: Path) -> str:
    text = read_text(path, "a file with policies")
    try:
        compile(text, str(path), "exec", flags=ast.PyCF_ONLY_AST)
    except SyntaxError as error:
        raise PolicyError("valid Python", f"{error.msg}, line {error.lineno}", str(path), "") from None
    return text


def _policy_classes(module: ast.Module) -> Iterator[str]:
    """Top-level classes that extend something called a policy, or another of them."""
    known: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            if any(base.endswith("Policy") or base in known for base in bases):
                known.add(node.name)
                yield node.name


def stats(options: argparse.Namespace) -> int:
    """Answer `daf stats`."""
    from daf.mission_analysis import daf_list_statistics

    named = [options.policy] if options.policy else []
    listed = daf_list_statistics(options.mission, *named)
    if not any(listed.values()):
        raise BadInputError("episodes with statistics", "none", options.mission, "let a policy play that achieves more")
    for kind, names in listed.items():
        print(f"{kind}:")
        for name in names:
            print(f"  {name}")
    return EXIT_OK


def _line(name: str, width: int, meaning: str) -> str:
    """A name and the first sentence about it, on one line."""
    first = " ".join(meaning.strip().split("\n\n")[0].split())
    line = f"{name:<{width}} {first}"
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1].rstrip()}…"
