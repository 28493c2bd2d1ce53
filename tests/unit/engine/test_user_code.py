"""Policies that fail in every way are rows with their cause; what they change of the process is restored."""

from __future__ import annotations

import locale
import os
import random
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from daf.config import MissionConfig, PolicyConfig
from daf.engine.evaluation import EvaluationOptions, evaluate_policy
from daf.engine.missions import resolve_mission
from daf.engine.user_code import state_kept
from daf.errors import BadInputError
from daf.system.failure_report import FailureReport
from tests.unit import failing_policies

MISSION = resolve_mission(MissionConfig(source="training_facility_1", max_steps=4), "short")
LINES = Path(failing_policies.__file__).read_text().splitlines()
(RAISED,) = [number for number, line in enumerate(LINES, start=1) if "# the failing line" in line]
FILE = Path(failing_policies.__file__).relative_to(Path.cwd())


def play(policy: str, episodes: int = 2, workers: int = 1, **kwargs: Any) -> list[str | None]:
    """The failures of a policy's episodes; seeds from 7."""
    config = PolicyConfig(class_path=f"tests.unit.failing_policies.{policy}", init_kwargs=kwargs)
    frame = evaluate_policy(config, MISSION, episodes=episodes, seed=7, workers=workers)
    return [None if text != text else text for text in frame["failure"]]  # pandas shows None as NaN


# ---- what rows say ----------------------------------------------------------------------------------------


def test_a_row_names_exception_line_step_and_seed() -> None:
    text = f"TeapotError: short and stout ({FILE}:{RAISED} in fail, step 2, seed {{}})"
    assert play("Batch", step="raise", at=2) == [text.format(seed) for seed in (7, 8)]


def test_a_failed_reset_has_no_step() -> None:
    for policy in ("Batch", "Single"):
        assert play(policy, reset="raise", episodes=1) == [
            f"TeapotError: short and stout ({FILE}:{RAISED} in fail, seed 7)"
        ]


@pytest.mark.long
def test_workers_report_the_same() -> None:
    assert play("Batch", step="raise", at=1, workers=2) == play("Batch", step="raise", at=1)


@pytest.mark.parametrize("policy", ["Batch", "Single"])
@pytest.mark.parametrize("place", ["step", "reset"])
@pytest.mark.parametrize(
    ("how", "words"), [("exit 0", "SystemExit: 0 ("), ("exit 3", "SystemExit: 3 ("), ("exit text", "no tea left (")]
)
def test_sys_exit_is_a_failed_episode_whatever_its_code(policy: str, place: str, how: str, words: str) -> None:
    for failure in play(policy, **{place: how}):
        assert failure is not None
        assert words in failure
        assert f"{FILE}:" in failure


@pytest.mark.parametrize("policy", ["Batch", "Single"])
def test_an_interrupt_is_no_failure_of_the_policy(policy: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        play(policy, step="interrupt")


def test_the_line_is_the_users_when_a_library_raises() -> None:
    (failure,) = play("Batch", episodes=1, step="library")
    assert failure is not None
    assert failure.startswith("LinAlgError: Matrix is not positive definite (tests/unit/failing_policies.py:")
    assert failure.endswith(" in fail, step 0, seed 7)")


def test_messages_that_are_long_or_fail_are_shown_in_one_line() -> None:
    (unprintable,) = play("Batch", episodes=1, step="unprintable")
    (long,) = play("Batch", episodes=1, step="long")
    assert unprintable is not None
    assert unprintable.startswith("UnprintableError: (its message cannot be shown) (")
    assert long is not None
    assert len(long) < 300


def test_reports_carry_the_traceback_and_one_cause_for_all_episodes() -> None:
    reports: list[FailureReport] = []
    policy = PolicyConfig(class_path="tests.unit.failing_policies.Batch", init_kwargs={"step": "raise"})
    evaluate_policy(policy, MISSION, episodes=3, seed=0, options=EvaluationOptions(on_failure=reports.append))
    assert [report.env_seed for report in reports] == [0, 1, 2]
    assert {report.cause for report in reports} == {f"TeapotError: short and stout ({FILE}:{RAISED} in fail)"}
    assert all('raise TeapotError("short and' in report.traceback for report in reports)


def test_an_error_of_daf_about_user_code_names_the_users_line() -> None:
    def raised_by_user() -> None:
        raise ValueError("no")  # here

    try:
        try:
            raised_by_user()
        except ValueError as error:
            raise BadInputError("a policy", "none", "policy 'x'") from error
    except BadInputError as error:
        report = FailureReport.of(error)
    assert report.error == "BadInputError: policy 'x': expected a policy, found none"
    assert report.in_user_code
    assert str(report.frame).endswith(" in raised_by_user")


# ---- what policies change ---------------------------------------------------------------------------------


def state() -> dict[str, Any]:
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "folder": os.getcwd(),
        "umask": umask,
        "environment": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "numpy": np.geterr(),
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)],
        "recursion": sys.getrecursionlimit(),
        "streams": (sys.stdout, sys.stderr, sys.excepthook),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device,
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": torch.backends.cudnn.enabled,
        "anomalies": torch.is_anomaly_enabled(),
    }


def generators() -> tuple[Any, ...]:
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def test_everything_a_policy_changes_is_restored() -> None:
    before, drawn = state(), generators()
    assert play("Meddler") == [None, None]
    assert state() == before
    assert generators() == drawn


def test_everything_is_restored_after_an_exception_too() -> None:
    before = state()
    with pytest.raises(SystemExit), state_kept():
        failing_policies.meddle_and_exit()
    assert state() == before


def test_a_folder_that_was_removed_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with state_kept():
        os.chdir(tmp_path)
    assert Path.cwd() == tmp_path
