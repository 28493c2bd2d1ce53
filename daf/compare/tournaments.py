"""Tournaments that are played in this process, and those that come from seats tables or from leagues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.compare.play import PlaySettings, Policies, resolve_lineup
from daf.config import DAFTournamentConfig, MissionConfig
from daf.config.recipes import MissionRecipe, PolicyRecipe
from daf.errors import BadInputError, did_you_mean
from daf.system.live_progress import live_progress
from daf.system.user_paths import user_path
from daf.tournament.league import read_league
from daf.tournament.matches import Match, batches_of_episodes, match_recipe, tournament_matches
from daf.tournament.scores import MatchScores, scores_of_seats

if TYPE_CHECKING:
    from daf.engine.missions import Mission
    from daf.engine.policies import ResolvedPolicy
    from daf.engine.teams import Player
    from daf.tournament.results import TournamentResults


@dataclass(frozen=True, kw_only=True)
class Field:
    """Everybody who takes part, under unique labels, and where."""

    candidates: tuple[ResolvedPolicy, ...]
    pool: tuple[ResolvedPolicy, ...]
    missions: tuple[Mission, ...]

    @property
    def players(self) -> dict[str, ResolvedPolicy]:
        """By label; a candidate may also be in the pool."""
        return {player.label: player for player in (*self.pool, *self.candidates)}


# ---- played in this process -------------------------------------------------------------------------------


def resolve_field(candidates: Policies, pool: Policies, missions: Sequence[str | MissionConfig]) -> Field:
    """Load policies and missions.

    Raises:
        BadInputError: an unknown policy or mission, a team as a single player, or one name for different policies.
    """
    first, second = resolve_lineup(candidates, missions), resolve_lineup(pool, ())
    field = Field(candidates=_singles(first.policies), pool=_singles(second.policies), missions=first.missions)
    known = {player.label: player for player in field.candidates}
    for player in field.pool:
        if player.label in known and known[player.label].identity() != player.identity():
            hint = "name them with a dictionary: label to policy"
            raise BadInputError("different names of different policies", f"'{player.label}' twice", "pool", hint)
    return field


def _singles(players: Sequence[Player]) -> tuple[ResolvedPolicy, ...]:
    from daf.engine.teams import Team

    found = []
    for player in players:
        if isinstance(player, Team):
            hint = "name its members as candidates, or in the pool: a tournament forms the teams"
            raise BadInputError("single policies", f"the team '{player.label}'", "candidates and pool", hint)
        found.append(player)
    return tuple(found)


def play_tournament(
    field: Field, config: DAFTournamentConfig, settings: PlaySettings
) -> tuple[TournamentResults, MatchScores]:
    """Play all matches, with `episodes: auto` until the question is settled, and analyze them."""
    from daf.tournament.comparisons import interim_analyses
    from daf.tournament.results import analyze_seats
    from daf.tournament.table import seats_frame

    matches = tournament_matches(config, {mission.name: mission.num_agents for mission in field.missions})
    rows, batches, done = list[dict[str, Any]](), batches_of_episodes(config), 0
    with (
        live_progress("playing", config.episodes_cap * len(matches), "episodes") as progress,
        _shared(field, settings.workers, len(matches)) as shared,
    ):
        for batch in batches:
            play = partial(_play, field=field, config=config, settings=settings, episodes=batch)
            for match, played in zip(matches, shared(play, matches), strict=True):
                rows += played
                done += len(batch)
                progress.update(done, match=match.id.rpartition("_")[0])
            if config.episodes == "auto" and batch is not batches[-1]:
                analyses = list(interim_analyses(scores_of_seats(seats_frame(rows)), config))
                if analyses and analyses[-1].done:
                    break
    seats = seats_frame(rows)
    results = analyze_seats(seats, config, provenance=_provenance(field, config))
    return with_notes(results, [player.note for player in field.players.values()]), scores_of_seats(seats)


type _Play = Callable[[Match], list[dict[str, Any]]]


@contextmanager
def _shared(
    field: Field, workers: int, num_matches: int
) -> Iterator[Callable[[_Play, Sequence[Match]], Iterator[list[dict[str, Any]]]]]:
    """Something that plays matches, in their order: here, or in worker processes that last as long as the tournament.

    Starting processes takes longer than many a match.
    """
    if workers == 1 or num_matches == 1:
        yield lambda play, matches: map(play, matches)
        return
    from daf.engine.worker_pool import worker_pool

    classes = [player.class_path for player in field.players.values()]
    with worker_pool(min(workers, num_matches), classes) as pool:
        yield lambda play, matches: pool.map(play, matches)


def _play(
    match: Match, *, field: Field, config: DAFTournamentConfig, settings: PlaySettings, episodes: range
) -> list[dict[str, Any]]:
    """Rows of the seats table for some episodes of a match."""
    from daf.engine.matches import play_match

    mission = next(one for one in field.missions if one.name == match.mission)
    labels = {player.checkpoint: PolicyRecipe(label=player.policy) for player in match.players}
    where = MissionRecipe(name=mission.name, config=MissionConfig(source=mission.name), sha256=None)
    recipe = match_recipe(
        match, labels, where, episodes, first_seed=config.evaluation_seed,
        max_action_time_ms=settings.max_action_time_ms,
    )  # fmt: skip
    players = [field.players[player.policy.label] for player in recipe.players]
    return play_match(recipe, players, device=settings.device, mission=mission)


def _provenance(field: Field, config: DAFTournamentConfig) -> Mapping[str, Any]:
    from daf.system.provenance import provenance

    recipe = {
        "config": config.to_dict(),
        "policies": {label: player.identity() for label, player in field.players.items()},
        "missions": {mission.name: mission.env_config.model_dump(mode="json") for mission in field.missions},
    }
    return provenance(recipe, _seeds(config)) | {"policies": recipe["policies"]}


def _seeds(config: DAFTournamentConfig) -> dict[str, int]:
    return {"evaluation": config.evaluation_seed, "resampling": config.seed}


# ---- from files and leagues -------------------------------------------------------------------------------


def analyze_files(seats_file: str | Path, config: DAFTournamentConfig, folder: str | Path) -> TournamentResults:
    """Analyze the seats table of the workflow, and write the results into `folder`."""
    from daf.system.provenance import provenance
    from daf.tournament.files import write_tournament
    from daf.tournament.results import analyze_seats
    from daf.tournament.table import read_provenance, read_seats

    seats, played = read_seats(seats_file), read_provenance(seats_file)
    record = provenance({"config": config.to_dict(), "seats": played}, _seeds(config))
    kept = {key: played[key] for key in ("policies", "missions") if key in played}
    results = analyze_seats(seats, config, provenance=record | kept)
    results = with_notes(results, list(played.get("notes") or []))
    write_tournament(results, folder, scores_of_seats(seats))
    return results


def analyze_league(
    source: Any, where: str, config: DAFTournamentConfig | None, settings: Mapping[str, Any]
) -> tuple[TournamentResults, MatchScores]:
    """Analyze the match table of a league.

    Args:
        where: what the table is called in errors and in the provenance.
        settings: keys of the configuration; candidates, pool, missions and episodes are those of the table.
    """
    from daf.system.provenance import provenance
    from daf.tournament.results import analyze_scores

    scores = read_league(source, where)
    pool = list(dict.fromkeys(row.policy for row in scores.rows if row.in_pool))
    if not scores.candidates:
        hint = "`pool` is for substitutes: leave it empty, or false, for the policies that are ranked"
        raise BadInputError("a policy that is not in the pool", "none", where, hint)
    content = {
        **({} if config is None else config.to_dict()), **settings, "splits": [],
        "format": "pickup" if pool else "round_robin", "candidates": scores.candidates, "pool": pool,
        "missions": scores.missions, "episodes": 1 + max(row.episode for row in scores.rows),
    }  # fmt: skip
    full = DAFTournamentConfig.from_labels(content, source=where)
    full.check_weights((row.seats for row in scores.rows if not row.in_pool), "a candidate")
    rows = [[row.match, row.policy, row.seats, row.score] for row in scores.rows]
    record = provenance({"config": full.to_dict(), "table": rows}, {"resampling": full.seed})
    results = analyze_scores(scores, full, provenance={"table": where, **record})
    return results, scores


# ---- shared -----------------------------------------------------------------------------------------------


def check_settings(function: Callable[..., Any], settings: Mapping[str, Any], fixed: Sequence[str]) -> None:
    """Refuse keywords that are not keys of `DAFTournamentConfig`, or that the call itself sets.

    Raises:
        BadInputError: such a keyword, with the nearest known one.
    """
    known = [name for name in DAFTournamentConfig.model_fields if name not in fixed]
    for name in settings:
        if name in fixed:
            raise BadInputError("a keyword other than those that the function sets", f"'{name}'", function.__name__)
        if name not in known:
            hint = did_you_mean(name, known) or "the keys are those of DAFTournamentConfig"
            raise BadInputError("a known keyword", f"'{name}'", function.__name__, hint)


def with_notes(results: TournamentResults, remarks: Sequence[str]) -> TournamentResults:
    """The results with what readers must know about the policies."""
    notes = dict.fromkeys(f"{remark[0].upper()}{remark[1:].removesuffix('.')}." for remark in remarks if remark)
    return replace(results, notes=(*results.notes, *notes))


def deliver(
    results: TournamentResults, scores: MatchScores, output_dir: str | Path | None, *, verbose: bool
) -> TournamentResults:
    """Write tables and page into a folder, unless it is None; print the results if asked."""
    if output_dir is not None:
        from daf.reporting.tournament_page import TournamentPageOptions, render_tournament
        from daf.tournament.files import FILES, write_tournament

        folder = write_tournament(results, user_path(output_dir, "output_dir"), scores)
        options = TournamentPageOptions(files=FILES)
        render_tournament(results, folder / "report.html", folder / "figures", options=options)
    if verbose:
        print(results)
    return results
