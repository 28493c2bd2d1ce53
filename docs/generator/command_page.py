"""The text of docs/reference/command.md: every subcommand of `daf`, from its parser's table."""

from __future__ import annotations

from daf.command.main import COMMANDS, Argument, Command

HEAD = """# The command `daf`

Generated from the parser by `make docs`: do not edit by hand. `daf COMMAND --help` prints the same, and `python -m daf`
is the same command. [`daf completion`](#daf-completion) lets your shell complete it.

Exit codes of `daf`, of Snakemake with DAF, and of DAF's programs:

| Code | Meaning |
|---|---|
| 0 | done |
| 1 | failed, or there is nothing yet to show or to stop; the message or the log says what |
| 2 | wrong input; nothing was started |
| 75 | (programs) interrupted with a checkpoint: start again to continue |
| 130 | (`daf`) interrupted by Ctrl-C |"""


def command_text() -> str:
    """The whole page."""
    return "\n\n".join([HEAD, *(_section(name, command) for name, command in COMMANDS.items())]) + "\n"


def _section(name: str, command: Command) -> str:
    width = max(len(line) for line, _ in command.examples)
    examples = "\n".join(f"{line:<{width}}  # {what}" for line, what in command.examples)
    parts = [f"## daf {name}", command.sentence, f"```sh\n{examples}\n```"]
    if command.arguments:
        rows = [f"| {_names(known)} | {_meaning(known)} |" for known in command.arguments]
        parts.append("\n".join(["| Argument | Meaning |", "|---|---|", *rows]))
    if notes := getattr(command, "notes", ""):
        parts.append(f"```text\n{notes}\n```")
    return "\n\n".join(parts)


def _names(argument: Argument) -> str:
    options = argument.options
    if not argument.names[0].startswith("-"):
        return f"`{options.get('metavar', argument.names[0])}`"
    value = "" if options.get("action") == "store_true" else f" {options.get('metavar', 'VALUE')}"
    return ", ".join(f"`{name}{value}`" for name in argument.names)


def _meaning(argument: Argument) -> str:
    meaning = str(argument.options.get("help", "")).replace("%(default)s", str(argument.options.get("default")))
    return meaning.replace("|", "\\|")
