"""Comparisons that play their episodes in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from daf.compare.labels import check_list, unique_labels
from daf.config import DAFComparisonConfig, EvaluationConfig, MissionConfig, PolicyConfig
from daf.system.live_progress import live_progress

if TYPE_CHECKING:
    import pandas as pd

    from daf.engine.missions import Mission
    from daf.engine.policies import ResolvedPolicy
    from daf.engine.teams import Player
    from daf.engine.types import PolicySpec
    from daf.statistics.results import ComparisonResults


type PlayedPolicy = str | type | PolicySpec | PolicyConfig | ResolvedPolicy | Mapping[str, Any]
type Policies = Sequence[PlayedPolicy] | Mapping[str, PlayedPolicy]


@dataclass(frozen=True, kw_only=True)
class PlaySettings:
    """How episodes are played; only the action time limit can change their rewards."""

    workers: int = 1
    device: str = "cpu"
    max_action_time_ms: int = EvaluationConfig().max_action_time_ms


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """The policies, under unique labels, and the missions of a comparison."""

    policies: tuple[Player, ...]
    missions: tuple[Mission, ...]

    @property
    def labels(self) -> list[str]:
        return [policy.label for policy in self.policies]


def resolve_lineup(policies: Policies, missions: Sequence[str | MissionConfig]) -> Lineup:
    """Load policies and missions; policies with the same name get numbered labels, and those of a mapping its keys.

    Raises:
        BadInputError: an unknown mission or policy, or one of them instead of a list.
    """
    from daf.engine.missions import resolve_mission
    from daf.engine.teams import resolve_player

    check_list(policies, "policies")
    check_list(missions, "missions")
    resolved_missions = tuple(resolve_mission(mission) for mission in missions)
    if isinstance(policies, Mapping):
        players = [resolve_player(policy, str(label)) for label, policy in policies.items()]
    else:
        players = [resolve_player(policy) for policy in policies]
    labels = unique_labels([player.label for player in players])
    labelled = tuple(replace(player, label=label) for player, label in zip(players, labels, strict=True))
    return Lineup(policies=labelled, missions=resolved_missions)


def play_comparison(lineup: Lineup, config: DAFComparisonConfig, settings: PlaySettings) -> ComparisonResults:
    """Play the same episodes with every policy and compare them."""
    from daf.statistics.comparison import compare_episodes
    from daf.statistics.sequential import play_until_settled
    from daf.system.user_code import code_in, unfollowed_in_words

    def play(first: int, stop: int) -> pd.DataFrame:
        return _play_batch(lineup, config, settings, first, stop)

    record = _provenance(lineup, config)
    if config.episodes_per_mission == "auto":
        results = play_until_settled(play, config, provenance=record)
    else:
        results = compare_episodes(play(0, config.episodes_per_mission), config, provenance=record)
    remarks = [policy.note for policy in lineup.policies if policy.note]
    remarks += unfollowed_in_words(code_in(record))
    notes = dict.fromkeys(f"{remark[0].upper()}{remark[1:]}." for remark in remarks)
    return replace(results, notes=(*results.notes, *notes))


def _play_batch(
    lineup: Lineup, config: DAFComparisonConfig, settings: PlaySettings, first: int, stop: int
) -> pd.DataFrame:
    """Episodes first … stop - 1 of every policy on every mission."""
    import pandas as pd

    from daf.engine.evaluation import EvaluationOptions, evaluate_policy

    frames: list[pd.DataFrame] = []
    count, plays = stop - first, [(mission, policy) for mission in lineup.missions for policy in lineup.policies]
    with live_progress("playing", count * len(plays), "episodes") as progress:
        for mission, policy in plays:
            before = count * len(frames)

            def show(played: int, before: int = before, policy: Player = policy, mission: Mission = mission) -> None:
                progress.update(before + played, policy=policy.label, mission=mission.name)

            frames.append(
                evaluate_policy(
                    policy,
                    mission,
                    episodes=count,
                    first_episode=first,
                    seed=config.evaluation_seed,
                    workers=settings.workers,
                    device=settings.device,
                    on_progress=show,
                    options=EvaluationOptions(
                        max_action_time_ms=settings.max_action_time_ms, policy_label=policy.label
                    ),
                )
            )
    return pd.concat(frames, ignore_index=True)


def _provenance(lineup: Lineup, config: DAFComparisonConfig) -> Mapping[str, Any]:
    from daf.system.provenance import provenance

    recipe = {
        "config": config.to_dict(),
        "policies": {policy.label: policy.identity() for policy in lineup.policies},
        "missions": {mission.name: mission.env_config.model_dump(mode="json") for mission in lineup.missions},
    }
    seeds = {"evaluation": config.evaluation_seed, "resampling": config.seed}
    return provenance(recipe, seeds) | {"success": {mission.name: mission.success for mission in lineup.missions}}
