"""Several missions in one training: their weights, and how a curriculum changes these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from daf.config.mission import MissionConfig, MissionRecipe, mission_label
from daf.config.strict_model import Fraction, FrozenModel, PositiveShare, StrictModel
from daf.errors import did_you_mean
from daf.system.user_paths import NameOrPath
from daf.system.validated import wrong_value

Weight = Annotated[float, Field(ge=0.0)]


class WeightedMission(StrictModel):
    """One of several missions of a training run."""

    mission: NameOrPath = Field(description="mission name or file")
    weight: PositiveShare = Field(1.0, description="number of its episodes relative to those of the other missions")


class CurriculumPhase(StrictModel):
    """A part of a training run, with weights for this part."""

    until: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        description="share of num_steps at which the phase ends; the last one ends at 1"
    )
    weights: dict[NameOrPath, Weight] = Field(
        min_length=1, description="relative number of episodes by mission, as `missions` names it; 0 for the others"
    )


class CurriculumConfig(StrictModel):
    """How the weights of several missions change during a training run."""

    mode: Literal["fixed", "learning_progress"] = Field(
        description="fixed: as `schedule` says. learning_progress: more episodes of the missions whose objective rises "
        "or falls the most (Matiisen et al. 2017)"
    )
    schedule: list[CurriculumPhase] = Field(default_factory=list, description="with fixed: the phases, in order")
    window: int = Field(
        40,
        ge=2,
        description="with learning_progress: number of a mission's last episodes whose earlier half is compared with "
        "the later half",
    )
    floor: Fraction = Field(
        0.2, description="with learning_progress: share of the episodes that always follows the missions' own weights"
    )


class Run(Protocol):
    """What matters here of a training run."""

    mission: str
    objective_metric: str
    missions: list[WeightedMission]
    curriculum: CurriculumConfig | None


class WeightedRecipe(FrozenModel):
    """One of several missions of a training, and its weight."""

    mission: MissionRecipe
    weight: float


class PhaseRecipe(FrozenModel):
    """The weights of all missions until a share of the training's agent-steps."""

    until: float
    weights: tuple[float, ...]


class CurriculumRecipe(FrozenModel):
    """The missions of a training that has several, and their weights.

    Attributes:
        missions: which training plays; the recipe's `mission`, for which weights are published, need not be one.
        mode: `constant`, `fixed`, or `learning_progress`.
        schedule: of a fixed curriculum.
        window: a mission's last episodes, of which learning progress compares two halves.
        floor: share of the episodes that always follows the missions' weights.
        objective_metric: whose progress counts.
    """

    missions: tuple[WeightedRecipe, ...]
    mode: Literal["constant", "fixed", "learning_progress"] = "constant"
    schedule: tuple[PhaseRecipe, ...] = ()
    window: int = 0
    floor: float = 0.0
    objective_metric: str | None = None


def curriculum_recipe(run: Run, missions: dict[str, MissionConfig]) -> CurriculumRecipe | None:
    """The missions of a run by content, and their weights; None if it has a single one."""
    if not run.missions:
        return None
    weighted = tuple(
        WeightedRecipe(mission=MissionRecipe.of(one.mission, missions), weight=one.weight) for one in run.missions
    )
    config = run.curriculum
    if config is None:
        return CurriculumRecipe(missions=weighted)
    if config.mode == "learning_progress":
        return CurriculumRecipe(
            missions=weighted,
            mode=config.mode,
            window=config.window,
            floor=config.floor,
            objective_metric=run.objective_metric,
        )
    schedule = tuple(
        PhaseRecipe(until=phase.until, weights=tuple(phase.weights.get(one.mission, 0.0) for one in run.missions))
        for phase in config.schedule
    )
    return CurriculumRecipe(missions=weighted, mode=config.mode, schedule=schedule)


def follows_progress(run: Run) -> bool:
    """Whether the run's objective decides which missions it plays."""
    return run.curriculum is not None and run.curriculum.mode == "learning_progress"


def missions_of(run: Run) -> list[str]:
    """Every mission that a run plays or is evaluated on, the target first."""
    return list(dict.fromkeys([run.mission, *(one.mission for one in run.missions)]))


def with_target(settings: Any) -> Any:
    """Settings of a run, as a file holds them: the last of several missions is the target if `mission` names none."""
    if not isinstance(settings, Mapping) or "mission" in settings:
        return settings
    missions = settings.get("missions")
    last = missions[-1] if isinstance(missions, Sequence) and not isinstance(missions, str) and missions else None
    mission = last.get("mission") if isinstance(last, Mapping) else getattr(last, "mission", None)
    return settings if mission is None else {**settings, "mission": mission}


def refuse_wrong_curriculum(run: Run) -> None:
    """Raise, in a validator of the run, if its missions or their curriculum contradict themselves."""
    names = [one.mission for one in run.missions]
    if len(names) == 1:
        raise wrong_value("at least two missions", "for a single one, write `mission`", at="missions", found="1")
    labels = [mission_label(name) for name in [*names, *({run.mission} - set(names))]]
    if repeated := [label for number, label in enumerate(labels) if label in labels[:number]]:
        hint = "metrics name missions by the stem of their file: give one of them another name under `missions`"
        raise wrong_value("missions with distinct names", hint, at="missions", found=f"'{repeated[0]}' twice")
    if run.curriculum is None:
        return
    if not names:
        raise wrong_value("several `missions`", "list them, each with a weight", at="curriculum", found="none")
    _refuse_wrong_schedule(run.curriculum, names)


def _refuse_wrong_schedule(curriculum: CurriculumConfig, names: Sequence[str]) -> None:
    at, phases = "curriculum.schedule", curriculum.schedule
    if curriculum.mode != "fixed":
        if phases:
            hint = "or write `mode: fixed`"
            raise wrong_value("no phases with learning_progress", hint, at=at, found=f"{len(phases)}")
        return
    if not phases:
        raise wrong_value("at least one phase", "write a list of {until: …, weights: {…}}", at=at, found="none")
    ends = [phase.until for phase in phases]
    if sorted(set(ends)) != ends or ends[-1] != 1:
        found = ", ".join(f"{end:g}" for end in ends)
        raise wrong_value("phases whose `until` rises to 1", "the last phase ends at 1", at=at, found=found)
    for number, phase in enumerate(phases):
        where = f"{at}.{number}.weights"
        if unknown := [name for name in phase.weights if name not in names]:
            hint = did_you_mean(unknown[0], names) or f"`missions` lists {', '.join(names)}"
            raise wrong_value("names of the run's `missions`", hint, at=where, found=f"'{unknown[0]}'")
        if not any(phase.weights.values()):
            raise wrong_value("at least one weight above 0", at=where, found="only zeros")
