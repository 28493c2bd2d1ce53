"""The experiment's files as written, with the values of `--config` on top."""

from __future__ import annotations

from pathlib import Path

import pytest

from daf.errors import ConfigError
from daf.system.files import PROJECT
from daf.workflow.configuration import (
    read_experiment,
    refuse_repeated_keys,
    refuse_repeated_options,
    refuse_repeated_overrides,
    require_readable,
    require_readable_command_line,
    wrong_overrides,
)
from daf.workflow.snakemake_internals import profile_files, repeated_options


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_later_files_and_the_command_line_override_single_keys(tmp_path: Path) -> None:
    below = written(tmp_path, "a.yaml", "name: a\ndaf: {seed: 1, device: cpu}\ntraining: {t: {num_steps: 1e5}}\n")
    above = written(tmp_path, "b.json", '{"daf": {"seed": 2}}')
    overrides = {"name": "b", "training": {"t": {"num_steps": "2e5", "seeds": ["1", "2"], "sweep": "null"}}}
    assert read_experiment([below, above], overrides) == {
        "name": "b",
        "daf": {"seed": 2, "device": "cpu"},
        "training": {"t": {"num_steps": 200_000.0, "seeds": [1, 2], "sweep": None}},
    }


def test_repeated_keys_of_all_files_are_one_list(tmp_path: Path) -> None:
    paths = [
        written(tmp_path, "a.yaml", "name: a\nname: b\n"),
        written(tmp_path, "b.yaml", "daf:\n  seed: 1\n  seed: 2\n"),
        written(tmp_path, "c.json", '{"name": 1, "name": 2}'),
    ]
    with pytest.raises(ConfigError) as caught:
        read_experiment(paths, {})
    assert [problem.where for problem in caught.value.problems] == [str(path) for path in paths]


def test_profiles_of_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    default = PROJECT / "profiles" / "default" / "config.v9+.yaml"
    slurm = PROJECT / "profiles" / "slurm" / "config.v9+.yaml"
    assert profile_files(["snakemake", "-j1"], {}) == [default]
    assert profile_files(["snakemake", "--profile", str(slurm.parent)], {}) == [slurm, default]
    assert profile_files(["snakemake"], {"SNAKEMAKE_PROFILE": str(slurm.parent)}) == [slurm, default]
    assert profile_files(["pytest", "--profile"], {}) == []
    refuse_repeated_keys([slurm, default])
    broken = written(tmp_path, "p.yaml", "cores: 2\ncores: 4\n")
    with pytest.raises(ConfigError, match="'cores' in line 1 and again in line 2"):
        refuse_repeated_keys([broken])


@pytest.mark.parametrize("content", [b'name: "x\xff"\n', b"name: [x\n", b"a: 1\na: 2\n"])
def test_an_unreadable_default_configuration_ends_before_snakemake_reads_it(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    require_readable(path)  # a missing file is not reported here
    path.write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        require_readable(path)
    assert caught.value.code == 2
    assert "  expected: " in capsys.readouterr().err


def test_a_key_of_a_nested_override_may_not_repeat() -> None:
    refuse_repeated_overrides(["daf={seed: 1, device: cpu}", "name=a=b", "name"])
    with pytest.raises(ConfigError) as caught:
        refuse_repeated_overrides(["daf={seed: 1, seed: 2}", "name=x", "training={a: {\nseeds: [1],\nseeds: [2]}}"])
    assert [(problem.where, problem.expected, problem.found) for problem in caught.value.problems] == [
        ("--config daf", "each key once", "'seed' twice in line 1"),
        ("--config training", "each key once", "'seeds' in line 2 and again in line 3"),
    ]


@pytest.mark.parametrize(
    ("arguments", "repeated"),
    [
        (["-j4", "train", "--config", "name=x", "daf={seed: 1}", "--configfile", "a.yaml", "b.yaml"], []),
        (["--config=name=x", "--config", "daf={seed: 1}"], ["--config"]),
        (["-Cname=x", "--config=daf={seed: 1}"], ["--config"]),
        (["--configfile=a.yaml", "-n", "--configfiles", "b.yaml"], ["--configfile"]),
    ],
)
def test_options_of_which_snakemake_would_keep_the_last_are_refused(arguments: list[str], repeated: list[str]) -> None:
    assert repeated_options(["/bin/snakemake", *arguments]) == repeated
    assert repeated_options(["/bin/pytest", *arguments]) == []
    if repeated:
        with pytest.raises(ConfigError, match=f"expected: {repeated[0]} once"):
            refuse_repeated_options(repeated)
    else:
        refuse_repeated_options(repeated)


@pytest.mark.parametrize(
    ("words", "problems"),
    [
        (["name=x", "daf={seed: 1}", "trials_per_job=4", "training={a: {num_steps: 1e6}}"], []),
        (["a=b"], [("--config", "a known key", "'a'", "known: comparisons, daf, ")]),
        (["daf.seed=3"], [("--config", "a known key", "'daf.seed'", "--config daf='{seed: 3}'")]),
        (["training.a.seeds=[1]"], [("--config", "a known key", "'training.a.seeds'", "training='{a: {seeds: [1]}}'")]),
        (["=3"], [("--config", "a known key", "''", "known: ")]),
        (["name=x", "train"], [("--config", "name=value", "'train'", "write targets before --config")]),
        (
            ["daf={seed:", "3}", "train"],
            [
                ("--config daf", "a value that ends with its bracket", "'{seed:'", "in quotes"),
                ("--config", "name=value", "'train'", "write targets before --config"),
            ],
        ),
    ],
)
def test_words_behind_config_that_snakemake_cannot_read_are_explained(
    words: list[str], problems: list[tuple[str, str, str, str]]
) -> None:
    found = wrong_overrides(words)
    assert [(problem.where, problem.expected, problem.found) for problem in found] == [row[:3] for row in problems]
    for problem, (_, _, _, hint) in zip(found, problems, strict=True):
        assert hint in problem.hint


def test_every_file_on_the_command_line_is_read_before_snakemake_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text("name: x\n")
    Path("bytes.yaml").write_bytes(b'name: "x\xff"\n')
    monkeypatch.setattr("sys.argv", ["snakemake", "-n", "--configfile", "good.yaml", "--config", "name=y"])
    require_readable_command_line()
    wrong = ["--configfile", "good.yaml", "bytes.yaml", "missing.yaml", "train", "-n"]
    monkeypatch.setattr("sys.argv", ["snakemake", *wrong])
    with pytest.raises(SystemExit) as caught:
        require_readable_command_line()
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert "byte 0xff in line 1" in printed
    assert "missing.yaml\n  expected: a configuration file\n  found:    no such file" in printed
    assert "no file 'train'\n  hint:     write targets before --configfile" in printed
    monkeypatch.setattr("sys.argv", ["pytest", *wrong])  # another program's words mean something else
    require_readable_command_line()
