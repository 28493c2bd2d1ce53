"""Notes of a comparison in groups."""

from __future__ import annotations

from daf.reporting.notes import GROUPS, grouped, without_failures
from tests.unit.reporting.comparisons import compared


def test_many_notes_are_at_most_five_lines_and_none_is_lost() -> None:
    results = compared(
        {"a": 0.0, "b": 0.1, "c": 0.2},
        n=3,
        seeds=(1, 2, 3),
        fails=lambda policy, mission, episode: (policy, mission, episode) == ("b", "k", 0),
    )
    notes = [*results.notes, "Something that no group knows."]
    groups = grouped(notes)
    assert len(GROUPS) == 5
    assert len(groups) <= 5
    shown = [note for group in groups for note in (group.first, *group.others)]
    assert sorted(shown) == sorted(set(notes))
    assert groups[-1].title == "How this was made"
    assert "Something that no group knows." in (groups[-1].first, *groups[-1].others)


def test_notes_find_their_group() -> None:
    titles = {
        "b did not play k; comparisons with it omit that mission.": "Missing or uneven data",
        "Declare `normalization` to put all missions on one scale.": "How scores are scaled",
        "3 paired episodes may miss an event that happens in up to 63 % of episodes; play more.":
            "How much the data can show",
        "Only 3 episodes: about 10 would show a difference of one standard deviation in 8 of 10 cases.":
            "How much the data can show",
        "1 of 8 episodes of b on k has no complete result and is omitted.": "Missing or uneven data",
    }  # fmt: skip
    for note, title in titles.items():
        (group,) = grouped([note])
        assert group.title == title


def test_what_the_red_lines_say_is_not_said_again() -> None:
    fails = lambda policy, mission, episode: (policy, mission, episode) == ("b", "k", 0)  # noqa: E731
    notes = compared({"a": 0.0, "b": 0.1}, fails=fails).notes
    assert any("episodes of b on k has no complete result" in note for note in notes)
    left = without_failures(notes, [("b", "k")])
    assert len(left) == len(notes) - 1
    assert not any("no complete result" in note for note in left)
    assert without_failures(notes, [("b", "m")]) == list(notes)
