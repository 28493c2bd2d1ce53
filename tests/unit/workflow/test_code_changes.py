"""The sentences that say why results are made again."""

from __future__ import annotations

from typing import Any

from daf.config.recipes import MissionRecipe, PolicyRecipe
from daf.system.user_code import CodeStamp
from daf.workflow.code_changes import change_in_words, changes_in_words


def params(*stamps: CodeStamp, **other: Any) -> set[str]:
    """As Snakemake records them: the `repr` of each, of a team whose members have these stamps."""
    members = [(PolicyRecipe(label="m", code=stamp), 1.0) for stamp in stamps]
    mission = MissionRecipe(name="m", config={"source": "arena"}, sha256=None)
    recipe = {"policy": PolicyRecipe(label="team", members=members).to_dict(), "mission": mission.to_dict()}
    return {repr({**recipe, **other}), repr(3), "<not plain data>"}


def stamp(**digests: str) -> CodeStamp:
    return CodeStamp(files={f"{name}.py": digest for name, digest in digests.items()})


def test_each_changed_file_is_named_once_with_the_jobs_that_it_concerns() -> None:
    before, now = params(stamp(a="1", b="1"), stamp(c="1")), params(stamp(a="2", b="1"), stamp(d="1"))
    other = params(stamp(a="1")), params(stamp(a="2"))
    jobs = [("evaluate_policy", before, now), ("evaluate_policy", *other), ("package_policy", *other)]
    assert changes_in_words(jobs) == [
        "a.py changed since the last run: what it plays, trains or decides is made again "
        "(2 evaluate_policy, 1 package_policy)",
        "c.py was removed since the last run: what it plays, trains or decides is made again (1 evaluate_policy)",
        "d.py is new since the last run: what it plays, trains or decides is made again (1 evaluate_policy)",
    ]


def test_other_changes_are_not_about_code() -> None:
    same = stamp(a="1")
    assert changes_in_words([("evaluate_policy", params(same, steps=1), params(same, steps=2))]) == []
    assert changes_in_words([]) == []


def test_why_one_job_runs_again_names_the_settings_with_both_values() -> None:
    same = stamp(a="1")
    before, now = params(same, steps=1, margin=0.5), params(same, steps=2, margin=0.5)
    assert change_in_words(before, now) == "its settings changed (steps 1 → 2)"
    long = params(same, steps="x" * 30), params(same, steps="y" * 30)
    assert change_in_words(*long) == "its settings changed (steps)"
    many = params(same, a=1, b=1, c=1, d=1), params(same, a=2, b=2, c=2, d=2)
    assert change_in_words(*many) == "its settings changed (a 1 → 2, b 1 → 2, c 1 → 2 and 1 more)"
    assert change_in_words({repr(1)}, {repr(2)}) == "its settings changed"


def test_why_one_job_runs_again_is_the_code_if_that_has_changed() -> None:
    before, now = params(stamp(a="1", b="1"), steps=1), params(stamp(a="2", b="2"), steps=2)
    assert change_in_words(before, now) == "your code: a.py changed and 1 more"
    same = stamp(a="1")
    assert change_in_words(params(same, stage_version=5), params(same, stage_version=6)) == (
        "this version of DAF computes it differently"
    )
