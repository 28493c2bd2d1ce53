"""`make setup`: the search for an interpreter, and when an environment is made, kept, or rebuilt.

Nothing is downloaded here: a stand-in for pip records what it was asked to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = ("sh", "sed", "cat", "printf", "dirname", "env")
BASE_PYTHON = Path(getattr(sys, "_base_executable", sys.executable))


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for the PATH with a few commands and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in TOOLS:
        if path := shutil.which(name):
            (folder / name).symlink_to(path)
    return folder


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def good_python(path: Path) -> Path:
    """A working interpreter under another name; it reports that name as its executable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(BASE_PYTHON)
    return path


def failing_shim(path: Path) -> Path:
    return program(path, "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")


def other_version(path: Path) -> Path:
    """Says what the check says under Python 3.9."""
    return program(path, "#!/bin/sh\necho 'is Python 3.9' >&2\nexit 1\n")


def find_python(repository: Path, tmp_path: Path, path: list[Path], **environment: str) -> subprocess.CompletedProcess:
    """Run the search with nothing of this machine in reach but `path`."""
    return subprocess.run(
        ["/bin/sh", str(repository / "setup" / "find-python.sh")],
        env={
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(tmp_path / "home"),
            "DAF_PYTHON_PLACES": "",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_failing_shim_is_passed_over(repository: Path, tmp_path: Path, tools: Path) -> None:
    failing_shim(tmp_path / "shims" / "python3.12")
    good = good_python(tmp_path / "later" / "python3")
    result = find_python(repository, tmp_path, [tmp_path / "shims", tmp_path / "later", tools])
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{good}\n"


def test_pyenv_is_searched_although_its_shims_fail(repository: Path, tmp_path: Path, tools: Path) -> None:
    failing_shim(tmp_path / "shims" / "python3.12")
    failing_shim(tmp_path / "shims" / "python3")
    good = good_python(tmp_path / "home" / ".pyenv" / "versions" / "3.12.1" / "bin" / "python")
    result = find_python(repository, tmp_path, [tmp_path / "shims", tools])
    assert result.stdout == f"{good}\n", result.stderr


def test_uv_and_conda_are_asked(repository: Path, tmp_path: Path, tools: Path) -> None:
    good = good_python(tmp_path / "managed" / "python3.12")
    program(tmp_path / "uv" / "uv", f'#!/bin/sh\n[ "$1 $2" = "python find" ] && echo "{good}"\n')
    result = find_python(repository, tmp_path, [tmp_path / "uv", tools])
    assert result.stdout == f"{good}\n", result.stderr

    other_version(tmp_path / "base" / "bin" / "python")
    in_env = good_python(tmp_path / "base" / "envs" / "daf" / "bin" / "python")
    program(tmp_path / "conda" / "conda", f'#!/bin/sh\necho "{tmp_path / "base"}"\n')
    result = find_python(repository, tmp_path, [tmp_path / "conda", tools])
    assert result.stdout == f"{in_env}\n", result.stderr


def test_nothing_found_exits_with_2_and_says_how_to_get_it(repository: Path, tmp_path: Path, tools: Path) -> None:
    other_version(tmp_path / "bin" / "python3")
    result = find_python(repository, tmp_path, [tmp_path / "bin", tools])
    assert result.returncode == 2
    assert result.stdout == ""
    assert "DAF needs Python 3.12" in result.stderr
    assert "the PATH: python3 is Python 3.9" in result.stderr
    for way in ("pyenv install 3.12", "uv python install 3.12", "conda env create -f environment.yml", "apt install"):
        assert way in result.stderr


def test_nothing_at_all(repository: Path, tmp_path: Path, tools: Path) -> None:
    result = find_python(repository, tmp_path, [tools], HOME="")
    assert result.returncode == 2
    assert "DAF needs Python 3.12" in result.stderr


def test_PYTHON_comes_first(repository: Path, tmp_path: Path, tools: Path) -> None:  # noqa: N802
    good_python(tmp_path / "bin" / "python3.12")
    wanted = good_python(tmp_path / "mine" / "my-python")
    result = find_python(repository, tmp_path, [tmp_path / "bin", tools], PYTHON=str(wanted))
    assert result.stdout == f"{wanted}\n"
    assert result.stderr == ""


def test_a_wrong_PYTHON_is_named_and_the_search_goes_on(  # noqa: N802
    repository: Path, tmp_path: Path, tools: Path
) -> None:
    wrong = other_version(tmp_path / "old" / "python")
    good = good_python(tmp_path / "bin" / "python3.12")
    result = find_python(repository, tmp_path, [tmp_path / "bin", tools], PYTHON=str(wrong))
    assert result.stdout == f"{good}\n"
    assert f"PYTHON={wrong} is not a usable Python 3.12" in result.stderr

    alone = find_python(repository, tmp_path, [tools], PYTHON=str(wrong))
    assert alone.returncode == 2
    assert f"$PYTHON: {wrong} is Python 3.9" in alone.stderr


def test_an_interpreter_in_a_virtual_environment_stands_for_its_base(
    repository: Path, tmp_path: Path, tools: Path
) -> None:
    """The environment may be the one that is about to be removed."""
    base = good_python(tmp_path / "base" / "python3.12")
    subprocess.run([base, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    result = find_python(repository, tmp_path, [tools], PYTHON=str(tmp_path / "venv" / "bin" / "python"))
    assert result.returncode == 0, result.stderr
    found = Path(result.stdout.strip())
    assert tmp_path / "venv" not in found.parents
    assert found.resolve() == BASE_PYTHON.resolve()


# -- setup/install.sh ------------------------------------------------------------------------------------------

# Acts as a Python 3.12: makes "environments" whose python is itself, and writes down what pip is asked.
FAKE_PYTHON = """#!/bin/sh
here=$(dirname "$0")
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip")
        echo "$*" >>"$DAF_TEST_CALLS"
        case "$*" in *requirements.lock*)
            [ -z "${DAF_TEST_PIP_KILLED:-}" ] || kill -9 0
            [ -z "${DAF_TEST_PIP_FAILS:-}" ] || { echo "ERROR: No matching distribution found"; exit 1; } ;;
        esac ;;
    "-c "*) case "$2" in *ensurepip*) echo "$0" ;; esac ;;
esac
"""


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    shutil.copytree(repository / "setup", folder / "setup", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements.lock").write_text("something==1.0\n")
    (folder / "pyproject.toml").write_text("[project]\n")
    program(tmp_path / "fake" / "python3.12", FAKE_PYTHON)
    return folder


def install(clone: Path, venv: str = ".venv", **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["/bin/sh", str(clone / "setup" / "install.sh"), venv],
        env={
            "PATH": f"{clone.parent / 'fake'}:/usr/bin:/bin",
            "HOME": str(clone.parent),
            "TMPDIR": str(clone.parent),
            "DAF_TEST_CALLS": str(clone.parent / "calls"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # the stand-in for a killed pip kills its process group
    )


def pip_calls(clone: Path) -> list[str]:
    calls = clone.parent / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def test_the_second_call_installs_nothing(clone: Path) -> None:
    first = install(clone)
    assert first.returncode == 0, first.stderr
    assert "Setting up .venv" in first.stderr
    lock_call, project_call = pip_calls(clone)
    assert "--no-deps --require-hashes -r requirements.lock" in lock_call
    assert "--no-deps --no-build-isolation -e ." in project_call

    second = install(clone)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert len(pip_calls(clone)) == 2


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_file_updates_the_environment_in_place(clone: Path, name: str) -> None:
    install(clone)
    kept = clone / ".venv" / "kept"
    kept.touch()
    (clone / name).write_text("changed==2.0\n")
    result = install(clone)
    assert result.returncode == 0, result.stderr
    assert "Updating .venv" in result.stderr
    assert len(pip_calls(clone)) == 4
    assert kept.exists()
    assert install(clone).stderr == ""


@pytest.mark.parametrize("how", ["DAF_TEST_PIP_KILLED", "DAF_TEST_PIP_FAILS"])
def test_an_unfinished_installation_leaves_no_stamp_and_is_made_anew(clone: Path, how: str) -> None:
    broken = install(clone, **{how: "yes"})
    assert broken.returncode != 0
    assert not (clone / ".venv" / ".daf-stamp").exists()
    half = clone / ".venv" / "half-written"
    half.touch()

    result = install(clone)
    assert result.returncode == 0, result.stderr
    assert "did not finish" in result.stderr
    assert not half.exists()


def test_a_failed_update_leaves_no_stamp_either(clone: Path) -> None:
    install(clone)
    (clone / "requirements.lock").write_text("changed==2.0\n")
    assert install(clone, DAF_TEST_PIP_FAILS="yes").returncode == 1
    assert not (clone / ".venv" / ".daf-stamp").exists()


def test_a_failed_installation_shows_why(clone: Path) -> None:
    result = install(clone, DAF_TEST_PIP_FAILS="yes")
    assert result.returncode == 1
    assert "No matching distribution found" in result.stderr
    assert "Check that you have" in result.stderr


def test_a_full_disk_is_named_before_anything_is_installed(clone: Path) -> None:
    program(clone.parent / "fake" / "df", "#!/bin/sh\necho head\necho /dev/disk 9 1 8000000 1% /\n")  # 8.2 GB
    result = install(clone)
    assert result.returncode == 2
    assert "needs 9 GB of disk, and 8 GB are free here" in result.stderr
    assert "VENV=/other/disk" in result.stderr
    assert pip_calls(clone) == []
    assert not (clone / ".venv").exists()


def test_a_moved_clone_gets_a_new_environment(clone: Path) -> None:
    install(clone)
    moved = clone.rename(clone.parent / "elsewhere")
    result = install(moved)
    assert result.returncode == 0, result.stderr
    assert "made elsewhere" in result.stderr
    assert len(pip_calls(moved)) == 4


def test_a_folder_of_someone_else_is_left_alone(clone: Path) -> None:
    treasure = clone / "mine" / "treasure"
    treasure.parent.mkdir()
    treasure.touch()
    result = install(clone, venv="mine")
    assert result.returncode == 2
    assert "left alone" in result.stderr
    assert treasure.exists()
    assert pip_calls(clone) == []


def test_no_interpreter_stops_before_anything_is_made(clone: Path, tmp_path: Path) -> None:
    other_version(tmp_path / "fake" / "python3.12")
    other_version(tmp_path / "fake" / "python3")
    result = install(clone, DAF_PYTHON_PLACES="")
    assert result.returncode == 2
    assert "DAF needs Python 3.12" in result.stderr
    assert not (clone / ".venv").exists()


def test_the_active_environment_is_checked_against_the_lock(repository: Path, tmp_path: Path) -> None:
    """`make … VENV=`: a wrong version is named, and nothing is installed."""
    shutil.copytree(repository / "setup", tmp_path / "setup", ignore=shutil.ignore_patterns("__pycache__"))
    text = (repository / "requirements.lock").read_text()
    (tmp_path / "requirements.lock").write_text(text)
    check = [sys.executable, str(tmp_path / "setup" / "check_active.py")]
    assert subprocess.run(check, check=False).returncode == 0

    (tmp_path / "requirements.lock").write_text(text.replace("\nsnakemake==", "\nsnakemake==99."))
    wrong = subprocess.run(check, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "snakemake:" in wrong.stderr
    assert "the lock has 99." in wrong.stderr
