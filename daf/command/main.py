"""The parser of `daf`, its help, and which function answers which subcommand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from inspect import getdoc
from typing import Any

from daf import __version__
from daf.command.parsing import Parser
from daf.command.status_answer import StatusAnswer
from daf.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, DafError, InterruptedByUser
from daf.system.waiting import waiting_for

DESCRIPTION = """Train, compare and deploy multi-agent policies on CoGames.

  daf init                       a small experiment and a policy to start from
  daf run                        make everything of the experiment in config/config.yaml
  daf run my.yaml                your experiment; the same command continues after any interruption
  daf status                     what is done, running, failed and left
  daf results                    the verdicts; `daf open` shows the page with all of it
"""
EPILOG = """exit codes: 0 done, 1 failed, 2 wrong input (nothing was started), 130 interrupted by Ctrl-C.
`daf COMMAND --help` explains a command, with examples. Completion in bash: eval "$(daf completion)"; in zsh and fish,
see `daf completion --help`."""


@dataclass(frozen=True, kw_only=True)
class Argument:
    """An argument of a subcommand, as argparse takes it."""

    names: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A subcommand.

    Attributes:
        module, function: what answers it, imported when it is called.
        sentence: what it does.
        examples: command lines, and what each does.
        notes: what else its help says.
        waits_for: what is said if it is silent for a while.
    """

    module: str
    function: str
    sentence: str
    examples: tuple[tuple[str, str], ...]
    arguments: list[Argument] = field(default_factory=list)
    notes: str = ""
    waits_for: str = ""


def argument(*names: str, **options: Any) -> Argument:
    return Argument(names=names, options=options)


FOLDER = argument("folder", nargs="?", metavar="FOLDER", help="the output folder, or the experiment's file")
CONFIG_FILE = argument(
    "--config-file", "--configfile", "-c", metavar="FILE", help="the experiment (default: config/config.yaml)"
)
SET = argument(
    "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
    help="override a key of the file, such as training.miner.num_steps=1e6; may be repeated",
)  # fmt: skip
DRY_RUN = argument("--dry-run", "-n", action="store_true", help="only show what would happen")
VERBOSE = argument("--verbose", "-v", action="store_true", help="show every job as Snakemake does")

COMMANDS: dict[str, Command] = {
    "init": Command(
        module="init", function="init", sentence="Write a small experiment and a policy to start from.",
        examples=(
            ("daf init scouts", "scouts.yaml and scouts_policy.py in this folder"),
            ("daf init", "the same as my_experiment.yaml and my_experiment_policy.py"),
        ),
        arguments=[argument("name", nargs="?", default="my_experiment", metavar="NAME", help="default: %(default)s")],
    ),
    "run": Command(
        module="run", function="run", sentence="Make an experiment, or the stages or files of it that you name.",
        examples=(
            ("daf run my.yaml", "everything in my.yaml, on this machine"),
            ("daf run sweep -j 8", "one stage: environment, sweep, train, missions, compare, tournaments, package"),
            ("daf run my.yaml --set training.miner.num_steps=1e6 -n", "what would run with another value"),
            ("daf run my.yaml --profile slurm --detach", "on a cluster, without staying logged in"),
        ),
        arguments=[
            argument("targets", nargs="*", metavar="TARGET", help="a stage, a file, or the experiment's .yaml file"),
            CONFIG_FILE,
            argument(
                "--jobs", "-j", type=int, metavar="N",
                help="cores to use (default: all of this machine), or jobs at once on a cluster",
            ),
            argument("--profile", metavar="NAME", help="where jobs run: slurm, local-gpu, or a profile's folder"),
            DRY_RUN,
            SET,
            argument("--detach", action="store_true", help="on Slurm: submit the run itself, so that you can log off"),
            VERBOSE,
        ],
    ),
    "check": Command(
        module="check", function="check",
        sentence="Explain an experiment without running it: what is wrong, which jobs it has, and what they take.",
        waits_for="the experiment to be checked",
        examples=(
            ("daf check my.yaml", "problems, jobs by kind, core-hours and, if jobs have run before, disk"),
            ("daf check my.yaml --set training.miner.seeds='[1, 2, 3]'", "the same with another value"),
        ),
        arguments=[argument("file", nargs="?", metavar="FILE", help="the experiment"), CONFIG_FILE, SET],
    ),
    "status": Command(
        module="status", function="status", sentence="Show what is done, running, failed and left.",
        examples=(
            ("daf status", "the experiment in daf_output"),
            ("daf status out/scouts --json", "another one, for programs"),
        ),
        arguments=[FOLDER, argument("--json", action="store_true", help="print JSON, see below")],
        notes=getdoc(StatusAnswer) or "",
    ),
    "logs": Command(
        module="logs", function="logs", sentence="Show what jobs say: those that run, those that failed, or the last.",
        examples=(
            ("daf logs", "the last lines of what runs in daf_output, or of what failed"),
            ("daf logs out/scouts --job train_policy --follow", "one job of another experiment, until it ends"),
        ),
        arguments=[
            FOLDER,
            argument("--job", metavar="TEXT", help="jobs with this text in their names, such as miner/seed-1"),
            argument("--lines", type=int, default=20, metavar="N", help="how many lines of each (%(default)s)"),
            argument("--follow", "-f", action="store_true", help="go on until the job ends, or Ctrl-C"),
        ],
    ),
    "results": Command(
        module="results", function="results",
        sentence="Show the answers: the best of each sweep, the verdict of each comparison, the packages.",
        waits_for="the results to be read",
        examples=(("daf results", "of the experiment in daf_output"), ("daf results my.yaml", "of another one")),
        arguments=[FOLDER],
    ),
    "stop": Command(
        module="run", function="stop",
        sentence="Stop a run as Ctrl-C does: training saves a checkpoint, and the same `daf run` continues.",
        waits_for="jobs to save what they have",
        examples=(
            ("daf stop", "the run in daf_output"),
            ("daf stop out/scouts", "another one, also if it runs detached on Slurm"),
        ),
        arguments=[FOLDER],
    ),
    "open": Command(
        module="status", function="open_page", sentence="Open the page with the results in a browser.",
        waits_for="the page to be written",
        examples=(
            ("daf open", "the newest page in daf_output"),
            ("daf open out/scouts --print", "only print where it is, on a login node for example"),
        ),
        arguments=[FOLDER, argument("--print", action="store_true", dest="only_print", help="only print the path")],
    ),
    "missions": Command(
        module="catalogue", function="missions", sentence="List the missions, or describe some of them.",
        waits_for="the engine to load",
        examples=(
            ("daf missions", "all names, one line each"),
            ("daf missions tutorial.miner my_mission.yaml", "agents, steps, and what counts as success"),
        ),
        arguments=[argument("names", nargs="*", metavar="MISSION", help="names or files")],
    ),
    "policies": Command(
        module="catalogue", function="policies", sentence="List the built-in policies, or check your own.",
        waits_for="the engine to load",
        examples=(
            ("daf policies", "the short names, one line each"),
            ("daf policies my_policies.py --mission tutorial.miner", "build it, act, train, save and load"),
        ),
        arguments=[
            argument("policy", nargs="?", metavar="POLICY", help="a .py file, a class path, weights or a short name"),
            argument("--mission", default="tutorial.miner", metavar="MISSION", help="where it plays (%(default)s)"),
        ],
    ),
    "stats": Command(
        module="catalogue", function="stats",
        sentence="List the statistics of a mission's episodes, which a `success` expression may name.",
        waits_for="two episodes to be played",
        examples=(
            ("daf stats tutorial.miner", "played by the default policy"),
            ("daf stats my_mission.yaml --policy random", "played by another policy"),
        ),
        arguments=[
            argument("mission", metavar="MISSION", help="a name or a file"),
            argument("--policy", metavar="POLICY", help="who plays two episodes"),
        ],
    ),
    "compare": Command(
        module="tables", function="compare", sentence="Compare the policies in a table of scores, whatever made it.",
        waits_for="the statistics to be computed",
        examples=(
            ("daf compare scores.csv", "columns policy, mission, score and, if known, train_seed and episode"),
            ("daf compare scores.parquet --margin 0.5 --output out/mine", "with a margin of equivalence"),
        ),
        arguments=[
            argument("table", metavar="TABLE", help="a .csv, .tsv, .json, .jsonl or .parquet file, or a folder"),
            argument("--output", metavar="FOLDER", help="where the page goes (default: daf_output/comparisons/NAME)"),
            argument("--margin", type=float, metavar="X", help="scores that differ by less count as equivalent"),
            argument("--reference", metavar="POLICY", help="compare the others with this policy only"),
        ],
    ),
    "deploy": Command(
        module="release", function="deploy", sentence="Package, validate and deploy the policy of an experiment.",
        examples=(
            ("daf deploy my.yaml", "to `deployment.endpoint` of my.yaml"),
            ("daf deploy my.yaml -n", "what would be made and sent"),
        ),
        arguments=[
            argument("file", nargs="?", metavar="FILE", help="the experiment"),
            CONFIG_FILE,
            argument("--jobs", "-j", type=int, metavar="N", help="cores to use (default: all of this machine)"),
            SET,
            DRY_RUN,
            VERBOSE,
        ],
    ),
    "rollback": Command(
        module="release", function="rollback", sentence="Let an earlier version of the policy serve again.",
        waits_for="the registry",
        examples=(
            ("daf rollback my.yaml", "the version before the one that serves"),
            ("daf rollback my.yaml --version 0.1.0 -n", "which version would serve"),
        ),
        arguments=[
            argument("file", nargs="?", metavar="FILE", help="the experiment"),
            CONFIG_FILE,
            argument("--version", metavar="VERSION", help="default: the one before the current one"),
            argument("--reason", default="", metavar="TEXT", help="why, for the registry's history"),
            DRY_RUN,
        ],
    ),
    "clean": Command(
        module="clean", function="clean",
        sentence="Remove what only an interrupted run needs (checkpoints of training), or all results.",
        examples=(
            ("daf clean", "the checkpoints of finished training in daf_output; results stay"),
            ("daf clean out/scouts --all", "the whole output folder, after a question"),
        ),
        arguments=[
            FOLDER,
            argument("--all", action="store_true", dest="everything", help="remove the whole output folder"),
            argument("--yes", "-y", action="store_true", help="do not ask"),
            DRY_RUN,
        ],
    ),
    "completion": Command(
        module="completion", function="completion",
        sentence="Print a script with which a shell completes this command.",
        examples=(
            ('eval "$(daf completion)"', "in ~/.bashrc"),
            ('eval "$(daf completion zsh)"', "in ~/.zshrc"),
            ("daf completion fish > ~/.config/fish/completions/daf.fish", "once, for fish"),
        ),
        arguments=[
            argument("shell", nargs="?", metavar="SHELL", choices=("bash", "zsh", "fish"), default="bash",
                     help="bash, zsh or fish (default: %(default)s)"),
        ],
    ),
}  # fmt: skip


def parser() -> Parser:
    """The parser of `daf`."""
    shape = argparse.RawDescriptionHelpFormatter
    top = Parser(prog="daf", description=DESCRIPTION, epilog=EPILOG, formatter_class=shape)
    top.add_argument("--version", action="version", version=f"daf {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        width = max(len(line) for line, _ in command.examples) + 2
        examples = "\n".join(f"  {line:<{width}}{what}" for line, what in command.examples)
        below = commands.add_parser(
            name, help=command.sentence, description=command.sentence,
            epilog=f"examples:\n{examples}{f'{chr(10)}{chr(10)}{command.notes}' if command.notes else ''}",
            formatter_class=shape, allow_abbrev=False,
        )  # fmt: skip
        for known in command.arguments:
            below.add_argument(*known.names, **known.options)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer a command line; return the exit code."""
    known = parser()
    names = {name: [n for a in command.arguments for n in a.names] for name, command in COMMANDS.items()}
    try:
        options = known.parse_all(arguments, names)
        if options.command is None:
            known.print_help()
            return EXIT_BAD_INPUT
        command = COMMANDS[options.command]
        with waiting_for("DAF to start"):
            answer = getattr(import_module(f"daf.command.{command.module}"), command.function)
        with waiting_for(command.waits_for) if command.waits_for else nullcontext():
            return int(answer(options))
    except DafError as error:
        print(f"{error}", file=sys.stderr)
        return error.exit_code
    except InterruptedByUser:
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        print("\ninterrupted by Ctrl-C", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `daf missions | head`
        sys.stderr.close()
        return EXIT_FAILED
