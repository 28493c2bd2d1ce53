"""Success criteria for CoGames missions, as far as their purpose is known; data only.

Sources of a purpose: a mission's description, its rewards, and the documents of CoGames. A `success` in a configuration
takes precedence. `daf.episodes.success` explains expressions. Statistics used here:

- `cogs/carbon.deposited`, …: elements that reached the team's hub, directly or through one of its junctions;
- `cogs/carbon.withdrawn`: hearts made at the hub, each for 7 of every element (a ready heart is `heart.withdrawn`);
- `cogs/aligned.junction.held`: junctions that the team holds, summed over steps;
- `junction.aligned_by_agent`, `junction.scrambled_by_agent`, `goal.reached`: how often an agent did this;
- `cell.unique_visited`: different cells that an agent stood on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SuccessRule:
    """When an episode is a success, and why; `expression` is None if unknown."""

    expression: str | None
    reason: str


_SIZES = ("easy", "medium", "hard")
_TIERS = ("easy", "standard", "hard")

_HOLDS_JUNCTION = "game('cogs/aligned.junction.held') >= length"
_HEARTS_WORTH = (
    "game('cogs/carbon.deposited') >= 7 and game('cogs/oxygen.deposited') >= 7"
    " and game('cogs/germanium.deposited') >= 7 and game('cogs/silicon.deposited') >= 7"
)

_FAMILIES: tuple[tuple[tuple[str, ...], SuccessRule], ...] = (
    (
        ("machina_1", "machina_1.clips", "arena"),
        SuccessRule(
            expression=_HOLDS_JUNCTION,
            reason="territory is the score: the team held at least one junction, on average over the episode",
        ),
    ),
    (
        ("four_score",),
        SuccessRule(
            expression="game('four_score/aligned.junction.held.avg') >= length",
            reason="territory is the score: a team held at least one junction, on average over teams and steps",
        ),
    ),
    (
        ("energy_starved",),
        SuccessRule(
            expression=f"{_HOLDS_JUNCTION} and agent_min('energy.amount') > 0",
            reason="the score is territory as in machina_1, and no agent may end without energy",
        ),
    ),
    (
        ("tutorial.miner",),
        SuccessRule(
            expression="game('cogs/carbon.deposited', 'cogs/oxygen.deposited', 'cogs/germanium.deposited',"
            " 'cogs/silicon.deposited') >= 28",
            reason="it teaches to extract and deposit: as many elements reached the hub as a heart costs",
        ),
    ),
    (
        ("tutorial.aligner",),
        SuccessRule(
            expression="agent_sum('junction.aligned_by_agent') > 0",
            reason="it teaches to align neutral junctions: one was aligned",
        ),
    ),
    (
        ("tutorial.scrambler",),
        SuccessRule(
            expression="agent_sum('junction.scrambled_by_agent') > 0",
            reason="it teaches to scramble enemy junctions: one was scrambled",
        ),
    ),
    (
        ("tutorial.scout",),
        SuccessRule(
            expression="agent_min('scout.gained') > 0 and agent_mean('cell.unique_visited') >= 150",
            reason="it teaches to explore with scout gear: everyone took it, seeing an eighth of the cells on average",
        ),
    ),
    (
        tuple(f"{family}_{tier}" for family in ("distant_resources", "quadrant_buildings") for tier in _TIERS),
        SuccessRule(
            expression=_HEARTS_WORTH,
            reason="elements lie far apart and all are needed: a heart's worth of each of the four was deposited",
        ),
    ),
    (
        tuple(f"easy_{size}_hearts" for size in ("small", "medium", "large")),
        SuccessRule(
            expression=f"game('cogs/carbon.withdrawn') > 0 and {_HEARTS_WORTH}",
            reason="it is about making hearts: the elements of one were deposited, and one was made",
        ),
    ),
    (
        tuple(
            f"{family}_{size}"
            for family in ("memory_mystery_path", "exploration_sparse_search", "planning_unlock_chain")
            for size in _SIZES
        ),
        SuccessRule(expression="game('goal.reached') > 0", reason="the engine counts reaching the goal"),
    ),
    (
        (
            *(f"diagnostic_chest_navigation{number}{hard}" for number in (1, 2, 3) for hard in ("", "_hard")),
            "diagnostic_chest_deposit_near",
            "diagnostic_chest_deposit_search",
            "diagnostic_chest_deposit_search_hard",
            "diagnostic_memory",
            "diagnostic_memory_hard",
        ),
        SuccessRule(expression=None, reason="it asks for a heart in a chest, but its map in this CoGames has no chest"),
    ),
    (
        ("diagnostic_charge_up", "diagnostic_charge_up_hard"),
        SuccessRule(
            expression=None, reason="it asks to recharge, but in this CoGames its agents start full and walk for free"
        ),
    ),
    (
        ("easy_hearts_training",),
        SuccessRule(
            expression=None, reason="its map names a hub that this CoGames does not define: it cannot be built"
        ),
    ),
    (
        ("empty", "tutorial"),
        SuccessRule(expression=None, reason="a place without rewards or a stated purpose"),
    ),
)

UNKNOWN = SuccessRule(expression=None, reason="DAF does not know this mission of CoGames")
MISSION_SUCCESS: dict[str, SuccessRule] = {name: rule for names, rule in _FAMILIES for name in names}
