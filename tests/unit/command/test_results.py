"""`daf results`: the answers of an experiment in the terminal."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from daf.command.main import main
from daf.config import DAFComparisonConfig
from daf.statistics.comparison import compare_episodes
from daf.tournament.files import write_tournament
from tests.run_files import begin, job, page
from tests.tournament_results import made_up_tournament


def test_answers_and_their_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(tmp_path)]) == 1
    assert "expected: results" in capsys.readouterr().err
    rows = [
        {"policy": policy, "mission": "hall", "env_seed": seed, "mean_reward": base + seed * (base + 7) % 5}
        for policy, base in (("mine", 19.0), ("theirs", 0.0), ("random", 11.0))
        for seed in range(12)
    ]
    config = DAFComparisonConfig(policies=["mine", "theirs", "random"], missions=["hall"], num_resamples=200)
    folder = tmp_path / "comparisons" / "main"
    compare_episodes(pd.DataFrame(rows), config).write(folder)
    (folder / "report.html").touch()
    damaged = tmp_path / "comparisons" / "other" / "comparison.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    assert main(["results", str(tmp_path)]) == 0
    title, answer, shown, problem, path = capsys.readouterr().out.splitlines()
    assert title == "comparisons"
    assert answer == "  main: mine beats random and theirs on hall."  # all of them, as its page says
    assert shown == f"    {folder}/report.html"
    assert problem.startswith(f"  cannot be read: {damaged} expected: ")
    assert path == f"    {damaged}"


def printed(out: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["results", str(out)]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_answer_of_a_comparison_is_that_of_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "comparisons/main/comparison.json"
    page(tmp_path, "comparisons/main/report.html", "scout beats random and wanderer &amp; more.")
    record.touch()
    os.utime(record, (1_700_000_000, 1_700_000_000))
    assert printed(tmp_path, capsys)[1] == "  main: scout beats random and wanderer & more."
    os.utime(record.with_name("report.html"), (1_600_000_000, 1_600_000_000))  # it is older than the results
    assert printed(tmp_path, capsys)[1].startswith("  cannot be read: ")


def test_tournaments_answer_too_with_and_without_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_tournament(made_up_tournament("a", "b", pool=("x",), episodes=8), tmp_path / "tournaments" / "cup")
    title, answer, where = printed(tmp_path, capsys)
    assert title == "tournaments"
    assert answer == "  cup: a is worth more than the pool that it replaces on m; b is undecided."
    assert where == f"    {folder}/results.json"
    page(tmp_path, "tournaments/cup/report.html", "a is worth more.")
    assert printed(tmp_path, capsys) == [title, "  cup: a is worth more.", f"    {folder}/report.html"]
    page(tmp_path, "tournaments/other/report.html", "")
    assert main(["open", "--print", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{folder.parent}")


def test_while_the_run_goes_on_the_answers_so_far_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path, [job("sweeps/miner/describe", "describe_sweep"), job("comparisons/main/report", "render_report")])
    assert main(["results", str(tmp_path)]) == 1  # 2 is for wrong input
    assert "found:    nothing has been finished yet" in capsys.readouterr().err
    page(tmp_path, "sweeps/miner/live.html", "Trial 1 is the best of 2 so far.")
    page(tmp_path, "comparisons/main/partial/report.html", "a beats b.")
    (tmp_path / "sweeps/miner/best.json").write_text("{")  # of an earlier run
    assert printed(tmp_path, capsys) == [
        "sweeps",
        "  sweep miner: Trial 1 is the best of 2 so far.",
        f"    {tmp_path}/sweeps/miner/live.html",
        "comparisons",
        "  main: a beats b (without the policies that failed).",
        f"    {tmp_path}/comparisons/main/partial/report.html",
    ]
