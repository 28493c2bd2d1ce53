"""Every code block of the documentation is true: Python runs, YAML is an experiment, commands are understood."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import snakemake.cli

from daf.command.main import parser
from daf.command.run import effective
from daf.config import ExperimentConfig
from daf.errors import ConfigError, DafError
from daf.system.yaml_files import parse_yaml
from tests.docs import pages, test_transcripts

ROOT = pages.ROOT
# Programs that are not DAF's, and are not run here.
OTHERS = {
    ".", "$EDITOR", "cd", "cogames", "cp", "eval", "git", "openssl", "pre-commit", "sacctmgr", "sinfo", "sudo",
    "tensorboard",
}  # fmt: skip
SLOW = {"README.md", "daf/orchestrators/README.md", "docs/how-to/results.md", "docs/tutorials/figures.md"}


of = pages.name_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like the root of a clone, with the modules that readers write; Python finds them there."""
    for name in ("Snakefile", "workflow", "scripts", "config", "profiles", "slurm"):
        (tmp_path / name).symlink_to(ROOT / name)
    modules = pages.python_files()
    for name, text in modules.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in modules:
        sys.modules.pop(Path(name).stem, None)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    wrong = [f"{of(b.page)}:{b.line}: {b.kind!r}" for page in pages.PAGES for b in pages.blocks(page)]
    assert [place for place in wrong if place.rpartition(" ")[2].strip("'") not in pages.KINDS] == []


# ---- Python -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, id=of(p), marks=pytest.mark.slow if of(p) in SLOW else []) for p in pages.with_blocks("python")],
)
def test_python_runs(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And prints what the page says."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in pages.blocks(page, "python"):
        exec(compile("\n" * block.line + block.text, of(page), "exec"), names)
    printed = " ".join(capsys.readouterr().out.split())
    for block in pages.blocks(page, "text") if page not in test_transcripts.OF_COMMANDS else []:
        assert " ".join(block.text.split()) in printed, f"line {block.line}"


# ---- YAML -------------------------------------------------------------------------------------------------


def merged(base: Any, change: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return change
    return base | {key: merged(base.get(key), value) for key, value in change.items()}


def fault(data: dict[str, Any]) -> str:
    try:
        ExperimentConfig.from_dict(data)
    except ConfigError as error:
        return str(error)
    return ""


def bases(page: Path) -> list[dict[str, Any]]:
    """Experiments that a fragment may be a part of: the page's own, or the README's and the default one."""
    own = [block.text for block in pages.blocks(page, "yaml") if block.file]
    readme = pages.yaml_files(ROOT / "README.md")["my.yaml"]
    texts = own or [readme, (ROOT / "config/config.yaml").read_text()]
    return [parse_yaml(text, of(page)) for text in texts]


@pytest.mark.parametrize("page", pages.with_blocks("yaml"), ids=of)
def test_yaml_is_an_experiment(page: Path, folder: Path) -> None:
    """A block that names a file is a whole experiment; others change one, each in addition to those before."""
    for name in ("signing.key", "signing.pub", "model.safetensors"):  # which readers make
        (folder / name).touch()
    known = bases(page)
    for block in pages.blocks(page, "yaml"):
        data = parse_yaml(block.text, of(page)) or {}
        if block.file:
            assert fault(data) == "", f"line {block.line}"
            continue
        known = [merged(base, data) for base in known]
        faults = [fault(base) for base in known]
        assert "" in faults, f"line {block.line}: {faults}"


def test_a_fragment_with_a_mistake_is_found(folder: Path) -> None:
    page = folder / "page.md"
    page.write_text("```yaml\nevaluation: {replays: [best]}\n```\n")
    test_yaml_is_an_experiment(page, folder)
    page.write_text("```yaml\nevaluation: {replay: [best]}\n```\n")
    with pytest.raises(AssertionError, match="did you mean 'replays'"):
        test_yaml_is_an_experiment(page, folder)


@pytest.mark.long
@pytest.mark.parametrize(
    ("page", "name"),
    [pytest.param(p, b.file, id=of(p)) for p in pages.with_blocks("yaml") for b in pages.blocks(p, "yaml") if b.file],
)
def test_the_experiments_of_pages_pass_the_check_before_the_first_job(folder: Path, page: Path, name: str) -> None:
    (folder / name).write_text(pages.yaml_files(page)[name])
    checked = subprocess.run(
        [sys.executable, "-m", "daf", "check", name], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


# ---- commands ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages.with_blocks("sh"), ids=of)
def test_commands_are_understood(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every option and file of `daf`, `snakemake`, `make` and `python`; other programs are known by name."""
    for name, text in pages.yaml_files(page).items():
        (folder / name).write_text(text)
    for words in pages.commands(page):
        try:
            understand(page, words)
        except (SystemExit, DafError):
            pytest.fail(f"{of(page)}: {words}: {capsys.readouterr().err}")


def understand(page: Path, words: list[str]) -> None:
    program, *arguments = words
    if program == "daf":
        understand_daf(page, arguments)
    elif program == "snakemake":
        snakemake.cli.parse_args(arguments)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert arguments[0] in targets, words
    elif program == "python" and arguments[0] == "-m":
        module = arguments[3] if arguments[1] == "pdb" else arguments[1]
        path = ROOT.joinpath(*module.split("."))
        ours = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
        assert ours or module.partition(".")[0] in sys.stdlib_module_names, words
    elif program == "python":
        assert (ROOT / arguments[0]).is_file() or (ROOT / "examples" / arguments[0]).is_file(), words
    else:
        assert program in OTHERS, words


@pytest.mark.parametrize("line", [
    "daf run my.yaml --sett a=1", "daf run my.yaml --set training.unknown.num_steps=1", "daf fly",
    "snakemake --jobz 4", "make nothing", "python -m daf.nothing", "python nothing.py", "nothing",
])  # fmt: skip
def test_a_wrong_command_is_found(folder: Path, line: str) -> None:
    page = ROOT / "README.md"
    (folder / "my.yaml").write_text(pages.yaml_files(page)["my.yaml"])
    with pytest.raises((SystemExit, AssertionError, DafError)):
        understand(page, line.split())


def understand_daf(page: Path, arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    assert options.command == arguments[0]
    if getattr(options, "overrides", None) and page != pages.DOCS / "reference/command.md":  # about no certain file
        named = [text for text in arguments if text.endswith(".yaml")]
        file = Path(named[0] if named else "config/config.yaml")
        with effective(file, options.overrides, keep=False) as path:
            ExperimentConfig.from_yaml(path)


def planned() -> Iterator[Any]:
    """Page and words of each snakemake command, once for each set of experiment files that it meets."""
    known = set()
    for page in pages.with_blocks("sh"):
        files = tuple(sorted(pages.yaml_files(page).items()))
        for words in pages.commands(page):
            command = tuple(word for word in words if word != "-n")
            done = {"--report", "--unlock", "--list-rules"} & set(command)  # these need results, or plan nothing
            named = files if "my.yaml" in command else ()
            if command[0] == "snakemake" and not done and (command, named) not in known:
                known.add((command, named))
                yield pytest.param(page, command, id=f"{of(page)}: {' '.join(command[1:])}")


@pytest.mark.long
@pytest.mark.parametrize(("page", "words"), list(planned()))
def test_snakemake_commands_plan(page: Path, words: tuple[str, ...], folder: Path) -> None:
    """With -n, and the Snakefile given, because a link to it would look for its rules next to the real one."""
    for name, text in pages.yaml_files(page).items():
        (folder / name).write_text(text)
    command = [words[0], "--snakefile", str(ROOT / "Snakefile"), "-n", *words[1:]]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "Job stats" in ran.stdout + ran.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_keys_are_made_as_written(folder: Path) -> None:
    made = [words for words in pages.commands(ROOT / "docs/how-to/deploy.md") if words[0] == "openssl"]
    assert len(made) == 2
    for words in made:
        subprocess.run(words, cwd=folder, check=True, capture_output=True)
    assert "PUBLIC KEY" in (folder / "signing.pub").read_text()
