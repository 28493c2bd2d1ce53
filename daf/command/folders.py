"""Which output folder and which experiment a command is about."""

from __future__ import annotations

from pathlib import Path

from daf.errors import BadInputError
from daf.system.files import PROJECT

DEFAULT_FILE = Path("config") / "config.yaml"
DEFAULT_FOLDER = Path("daf_output")
FILE_SUFFIXES = (".yaml", ".yml")


def output_folder(given: str | None) -> Path:
    """The output folder that a command names, by itself or by the experiment's file.

    Raises:
        BadInputError: there is no such folder.
    """
    folder = Path(given) if given else DEFAULT_FOLDER
    if folder.suffix in FILE_SUFFIXES:
        from daf.config import ExperimentConfig  # takes half a second

        folder = ExperimentConfig.from_yaml(folder).daf.output_dir
    if not folder.is_dir():
        hint = "name the output folder, or the experiment's file: daf_output is only the default"
        raise BadInputError("an output folder", "no such folder", str(folder), hint)
    return folder


def experiment_file(*given: str | None) -> Path:
    """The experiment's file that a command names or, without one, config/config.yaml here, or DAF's own.

    Raises:
        BadInputError: two files, or none.
    """
    named = [name for name in given if name]
    if len(named) > 1:
        hint = "DAF merges no files: name one, and change keys with --set"
        raise BadInputError("one experiment file", " and ".join(named), "command line", hint)
    path = Path(named[0]) if named else DEFAULT_FILE
    if not named and not path.is_file():
        path = PROJECT / DEFAULT_FILE
    if not path.is_file():
        hint = "name the experiment's file, for example `daf run my.yaml`"
        raise BadInputError("an experiment file", "no such file", str(path), hint)
    return path
