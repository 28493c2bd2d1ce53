"""How `daf run` and `make run` start Snakemake."""

from __future__ import annotations

import logging
import os

import pytest

from daf.system.limits import usable_cpus
from daf.workflow.snakemake_hooks import (
    MEASURING_SECONDS,
    drop_preamble,
    drop_words_about_profiles,
    measure_jobs_less_often,
    replace_dry_run,
)
from daf.workflow.start import _all_cores


@pytest.mark.parametrize("words", ["", "-n", "train --configfile my.yaml", "--local-cores 1", "--config name=x"])
def test_all_cores_are_used_by_default(words: str) -> None:
    assert _all_cores(words.split(), {}) == ["--cores", str(usable_cpus())]
    assert _all_cores(words.split(), {"SNAKEMAKE_PROFILE": "none"}) == ["--cores", str(usable_cpus())]


@pytest.mark.parametrize(
    "words", ["-j3", "-j 3", "-nj4", "-c2", "--cores all", "--cores=2", "--jobs 3", "--profile slurm", "--profile=x"]
)
def test_another_number_is_the_users_or_the_profiles(words: str) -> None:
    assert _all_cores(words.split(), {}) == []


def test_a_profile_in_the_environment_has_its_own_number() -> None:
    assert _all_cores([], {"SNAKEMAKE_PROFILE": "slurm"}) == []


def test_the_line_about_profiles_is_dropped_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import snakemake.cli

    monkeypatch.setattr(snakemake.cli, "print", print, raising=False)
    drop_words_about_profiles()
    say = vars(snakemake.cli)["print"]
    say("Using workflow specific profile profiles/default for setting default command line arguments.")
    say("No profile", "here")
    say()
    assert capsys.readouterr().out == "No profile here\n\n"


def test_a_dry_run_is_told_once_also_if_nothing_is_to_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from snakemake.common import NOTHING_TO_BE_DONE_MSG
    from snakemake.logging import ColorizingTextHandler, LogEvent, logger

    handler, told, passed = ColorizingTextHandler(), [], []  # type: ignore[var-annotated]
    monkeypatch.setattr(handler, "emit", lambda record: passed.append(record.getMessage()))
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    replace_dry_run(lambda: told.append("jobs"))
    logger.info("Building DAG of jobs...")
    assert told == []
    for _ in range(2):  # Snakemake repeats the table at the end
        logger.info("Job stats", extra={"event": LogEvent.RUN_INFO})
    logger.warning("a warning")
    assert (told, passed) == (["jobs"], ["a warning"])
    replace_dry_run(lambda: told.append("nothing"))
    logger.info(NOTHING_TO_BE_DONE_MSG)
    assert told == ["jobs", "nothing"]


def test_what_snakemake_says_of_itself_is_not_printed_and_all_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from snakemake.logging import ColorizingTextHandler, logger

    handler, passed = ColorizingTextHandler(), []  # type: ignore[var-annotated]
    monkeypatch.setattr(handler, "emit", lambda record: passed.append(record.getMessage()))
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    drop_preamble()
    for words in ("Assuming unrestricted shared filesystem usage.", "Building DAG of jobs...", "Using shell: /bin/bash",
                  "Provided cores: 2", "Rules claiming more threads will be scaled down.",
                  "Conda environments: ignored"):  # fmt: skip
        logger.info(words)
    assert passed == ["Provided cores: 2"]


def test_the_memory_of_jobs_is_looked_at_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    import snakemake.benchmark as benchmark

    begun: list[float] = []
    monkeypatch.setattr(benchmark.DaemonTimer, "start", lambda timer: begun.append(timer.interval))
    monkeypatch.setattr(benchmark.BenchmarkTimer, "work", lambda timer: None)

    def intervals() -> list[float]:
        del begun[:]
        timer = benchmark.BenchmarkTimer(os.getpid(), benchmark.BenchmarkRecord())
        timer.start()
        for _ in range(31):
            timer._action()
        return list(begun)

    assert intervals() == [0.5] * 30 + [30] * 2
    undo = measure_jobs_less_often()
    assert intervals() == [0.5] * 2 + [MEASURING_SECONDS] * 28 + [30] * 2
    undo()
    assert intervals() == [0.5] * 30 + [30] * 2
