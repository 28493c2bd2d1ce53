"""`daf completion`: a script with which bash, zsh or fish completes `daf`; made from the parser's table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from daf.command.main import COMMANDS, Argument, Command
from daf.command.parsing import takes_value
from daf.errors import EXIT_OK

STAGES = ("environment", "sweep", "train", "missions", "compare", "package")
PROFILES = ("slurm", "local-gpu", "cluster-generic")

BASH = """# bash completion of daf
_daf() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands} --help --version"
    elif [ "$before" = --profile ]; then
        words="{profiles}"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
        case "$word" in -*) ;; *) COMPREPLY=($(compgen -f -- "$word")) ;; esac
    fi
    COMPREPLY+=($(compgen -W "$words" -- "$word"))
}}
complete -o filenames -F _daf daf
"""

ZSH = """#compdef daf
# zsh completion of daf
_daf_targets() {{ compadd {stages}; _files }}
_daf() {{
    local -a commands
    commands=(
{commands}
    )
    if (( CURRENT == 2 )); then
        _describe 'command of daf' commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}
    esac
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit; compinit -u }}
compdef _daf daf
"""

FISH = """# fish completion of daf
complete -c daf -n __fish_use_subcommand -f
{lines}
"""


def completion(options: argparse.Namespace) -> int:
    """Answer `daf completion`."""
    print(SCRIPTS[options.shell](), end="")
    return EXIT_OK


def _bash() -> str:
    cases = []
    for name, command in COMMANDS.items():
        words = [option for known in command.arguments for option in known.names if option.startswith("--")]
        words += [*STAGES] if name == "run" else _choices(command)
        cases.append(f'            {name}) words="{" ".join([*words, "--help"])}" ;;')
    return BASH.format(commands=" ".join(COMMANDS), profiles=" ".join(PROFILES), cases="\n".join(cases))


def _choices(command: Command) -> list[str]:
    """The values that its positional arguments may have."""
    positional = (known for known in command.arguments if not known.names[0].startswith("-"))
    return [str(choice) for known in positional for choice in known.options.get("choices", ())]


# ---- zsh ----------------------------------------------------------------------------------------------------


def _zsh() -> str:
    commands = "\n".join(f"        {_quoted(f'{name}:{command.sentence}')}" for name, command in COMMANDS.items())
    cases = "\n".join(
        f"        {name}) _arguments -s {' '.join(_zsh_arguments(name, command))} ;;"
        for name, command in COMMANDS.items()
    )
    return ZSH.format(stages=" ".join(STAGES), commands=commands, cases=cases)


def _zsh_arguments(name: str, command: Command) -> Iterator[str]:
    yield _quoted("(- *)--help[show what it takes]")
    for known in command.arguments:
        value = f":{known.options.get('metavar', 'value').lower()}:{_zsh_values(name, known)}"
        if not known.names[0].startswith("-"):
            yield _quoted(f"{'*' if known.options.get('nargs') == '*' else ''}{value}")
            continue
        for option in known.names:
            repeated = "*" if known.options.get("action") == "append" else f"({' '.join(known.names)})"
            yield _quoted(f"{repeated}{option}[{_help(known)}]{value if takes_value(known.options) else ''}")


def _zsh_values(name: str, known: Argument) -> str:
    if known.names[0] == "--profile":
        return f"({' '.join(PROFILES)})"
    if choices := known.options.get("choices"):
        return f"({' '.join(choices)})"
    return "_daf_targets" if name == "run" and known.names[0] == "targets" else "_files"


def _help(known: Argument) -> str:
    """Its help, without what `_arguments` would take for its own signs."""
    text = str(known.options.get("help", "")) % {"default": known.options.get("default")}
    return text.replace("[", "(").replace("]", ")").replace(":", "")


def _quoted(text: str) -> str:
    """As one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


# ---- fish ---------------------------------------------------------------------------------------------------


def _fish() -> str:
    return FISH.format(lines="\n".join(_fish_lines()))


def _fish_lines() -> Iterator[str]:
    for name, command in COMMANDS.items():
        yield f"complete -c daf -n __fish_use_subcommand -a {name} -d {_fish_quoted(command.sentence)}"
        used = f"complete -c daf -n '__fish_seen_subcommand_from {name}'"
        for word in [*STAGES] if name == "run" else _choices(command):
            yield f"{used} -a {word}"
        for known in command.arguments:
            if known.names[0].startswith("-"):
                names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in known.names)
                value = (f" -x -a '{' '.join(PROFILES)}'" if known.names[0] == "--profile" else " -r") * takes_value(
                    known.options
                )
                yield f"{used} {names}{value} -d {_fish_quoted(_help(known))}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS: dict[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
