"""Errors carry four parts and an exit code; hints find near names."""

import pickle

import pytest

from daf import errors
from daf.errors import BadInputError, ConfigError, DafError, did_you_mean


def test_the_text_has_the_four_parts_in_order() -> None:
    text = str(BadInputError("a number", "'abc'", "config.yaml: daf.seed", "write digits"))
    assert text.splitlines() == [
        "config.yaml: daf.seed",
        "  expected: a number",
        "  found:    'abc'",
        "  hint:     write digits",
    ]


def test_an_empty_hint_leaves_no_line() -> None:
    assert "hint" not in str(DafError("a", "b", "c"))


@pytest.mark.parametrize(
    ("error_class", "code"),
    [
        (errors.DafError, 1),
        (errors.BadInputError, 2),
        (errors.UnknownMissionError, 2),
        (errors.PolicyError, 2),
        (errors.CheckpointError, 2),
        (errors.UnfitEnvironmentError, 1),
        (errors.WorkflowFailedError, 1),
        (errors.DeploymentError, 1),
    ],
)
def test_exit_codes(error_class: type[DafError], code: int) -> None:
    assert error_class("a", "b", "c").exit_code == code


def test_errors_survive_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(errors.PolicyError("a", "b", "c", "d")))
    assert (type(error), error.expected, error.hint) == (errors.PolicyError, "a", "d")


def test_a_config_error_shows_every_problem() -> None:
    error = ConfigError([BadInputError("a", "b", "first"), BadInputError("c", "d", "second")])
    assert "first" in str(error)
    assert "second" in str(error)
    assert error.exit_code == 2
    with pytest.raises(ValueError, match="at least one problem"):
        ConfigError([])


def test_did_you_mean_finds_near_names_whatever_their_case() -> None:
    assert did_you_mean("Tutorial.Minr", ["tutorial.miner", "arena"]) == "did you mean 'tutorial.miner'?"


def test_without_a_near_name_the_known_ones_are_listed() -> None:
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", [f"name{index:02d}" for index in range(15)]).endswith("and 3 more")
    assert did_you_mean("zzz", []) == ""
