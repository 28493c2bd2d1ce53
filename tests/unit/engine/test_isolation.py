"""Policies that end their process: a row with the cause for every lost episode, and the others are played."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest

from daf.config import PolicyConfig
from daf.engine import isolation
from daf.engine.evaluation import evaluate_policy
from daf.engine.isolation import may_end_the_process
from daf.engine.teams import resolve_player
from daf.system.failure_report import FailureReport
from tests.unit.engine.test_user_code import FILE, LINES, MISSION, play

KILLED = "killed by SIGKILL, as the system does when memory runs out"


def place(comment: str) -> str:
    (line,) = [number for number, text in enumerate(LINES, start=1) if f"# {comment}" in text]
    return f"{FILE}:{line} in fail, "


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("os._exit", f"ended with status 0 ({place('the leaving line')}"),
        ("segfault", f"killed by SIGSEGV ({place('the crashing line')}"),
        ("kill", f"{KILLED} ("),
    ],
)
def test_an_ended_process_is_the_failure_of_its_episode_alone(how: str, found: str) -> None:
    calm = play("Batch", episodes=6, step="raise", at=2, every=2)
    ended = play("Batch", episodes=6, step=how, at=2, every=2)
    expected = [
        None if failure is None else f"ProcessEndedError: the process was {found}step 2, seed {7 + number})"
        for number, failure in enumerate(calm)
    ]
    assert ended == expected
    assert 0 < expected.count(None) < 6


@pytest.mark.long
def test_workers_survive_as_well() -> None:
    alone = play("Batch", episodes=6, step="kill", at=2, every=2)
    assert play("Batch", episodes=6, step="kill", at=2, every=2, workers=2) == alone


def test_without_a_step_none_is_named() -> None:
    assert play("Batch", episodes=1, reset="kill") == [f"ProcessEndedError: the process was {KILLED} (seed 7)"]


def test_a_panic_that_is_no_exception_is_a_failure() -> None:
    found = f"PanicException: index out of bounds ({place('the panicking line')}step 0, seed 7)"
    assert play("Batch", episodes=1, step="panic") == [found]


def test_in_a_batch_only_the_episodes_that_end_the_process_are_lost() -> None:
    def at_once(numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
        if {18, 21} & set(numbers):
            os._exit(3)
        yield from ((number, f"episode {number}") for number in numbers)

    def lost(report: FailureReport, num_agents: int) -> str:
        return f"seed {report.env_seed}, {num_agents} agents: {report.error}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "failed", lost)
        played = dict(isolation.play_isolated(at_once, range(16, 34), seed=100, num_agents=4))  # type: ignore[arg-type]
    ended = "ProcessEndedError: the process was ended with status 3"
    expected: dict[int, str] = {number: f"episode {number}" for number in range(16, 34)}
    expected |= {number: f"seed {100 + number}, 4 agents: {ended}" for number in (18, 21)}
    assert played == expected


def test_only_code_of_users_is_isolated_and_only_on_a_processor() -> None:
    theirs = resolve_player(PolicyConfig(class_path="tests.unit.failing_policies.Batch"))
    team = resolve_player({"random": 1, "tests.unit.failing_policies.Single": 1})
    assert may_end_the_process(theirs, "cpu")
    assert may_end_the_process(team, "cpu")
    assert not may_end_the_process(theirs, "cuda")
    for shipped in ("random", "baseline", "lstm", "daf.engine.grid_policy.GridPolicy"):
        assert not may_end_the_process(resolve_player(shipped), "cpu")


def test_an_interrupt_passes() -> None:
    config = PolicyConfig(class_path="tests.unit.failing_policies.Batch", init_kwargs={"step": "interrupt"})
    with pytest.raises(KeyboardInterrupt):
        evaluate_policy(config, MISSION, episodes=2, seed=7)
