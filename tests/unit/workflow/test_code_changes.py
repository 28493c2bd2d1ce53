"""The sentences that say why results are made again."""

from __future__ import annotations

from typing import Any

from daf.config.recipes import MissionRecipe, PolicyRecipe
from daf.system.user_code import CodeStamp
from daf.workflow.code_changes import changes_in_words


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
