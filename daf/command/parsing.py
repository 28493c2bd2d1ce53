"""A parser whose errors have the four parts of all others, and name what was probably meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from daf.errors import BadInputError, did_you_mean

KINDS = {"int": "a whole number", "float": "a number"}


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that raises BadInputError, and reads a subcommand's options anywhere after it."""

    def error(self, message: str) -> NoReturn:
        """Raise the error for a message of argparse."""
        help_line = f"`{self.prog} --help` shows what it takes"
        if match := re.match(r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", message):
            known = re.findall(r"'([\w-]+)'", match[2])
            raise BadInputError("a command", f"'{match[1]}'", self.prog, did_you_mean(match[1], known, list_at_most=20))
        if match := re.match(r"the following arguments are required: (.*)", message):
            raise BadInputError(match[1], "nothing", self.prog, help_line)
        if match := re.match(r"argument (\S+): invalid choice: (.*) \(choose from (.*)\)", message):
            raise BadInputError(
                f"one of {match[3].replace(chr(39), '')}", match[2], _place(self.prog, match[1]), help_line
            )
        if match := re.match(r"argument (\S+): invalid (\w+) value: (.*)", message):
            raise BadInputError(KINDS.get(match[2], match[2]), match[3], _place(self.prog, match[1]), help_line)
        if match := re.match(r"argument (\S+): expected (?:one|at least one) argument", message):
            raise BadInputError("a value", "none", _place(self.prog, match[1]), help_line)
        raise BadInputError("a command line that can be understood", message, self.prog, help_line)

    def parse_all(self, arguments: Sequence[str] | None, options: dict[str, list[str]]) -> argparse.Namespace:
        """Parse a command line of which nothing may be left.

        Args:
            options: those of each subcommand, for suggestions.
        """
        parsed, left = self.parse_known_args(arguments)
        if left:
            command = getattr(parsed, "command", None)
            where = f"{self.prog} {command}" if command else self.prog
            name = left[0].partition("=")[0]
            known = [*options.get(command, []), "--help"] if command else ["--help", "--version"]
            hint = (
                did_you_mean(name, known, list_at_most=0) if name.startswith("-") else ""
            ) or f"`{where} --help` shows what it takes"
            raise BadInputError("arguments that it takes", " ".join(left), where, hint)
        return parsed


def _place(program: str, argument: str) -> str:
    return f"{program} {argument.partition('/')[0]}"


def takes_value(options: dict[str, Any]) -> bool:
    """Whether an argument's options, as argparse takes them, let it have a value."""
    return options.get("action") != "store_true"
