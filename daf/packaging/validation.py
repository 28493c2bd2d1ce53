"""Whether a package is intact, and whether it plays in a confined process that knows nothing of DAF.

The verdict is this process's: it reads the package without running it, plays the engine's side of the episode, and lets
the package's process choose actions, no more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError, DeploymentError
from daf.packaging.golden import GoldenVectors, read_golden, replay
from daf.packaging.inspection import check, inspect
from daf.packaging.manifest import Manifest
from daf.packaging.player import DEFAULT_ACTION_TIME_MS, PackagePlayer, Protection, package_player
from daf.packaging.sandbox import GuestError, Limits
from daf.system.checks import CheckResult, as_lines, counted, found_and_hint, messages
from daf.system.files import file_sha256
from daf.system.nouns import number_of
from daf.system.shown import Shown

if TYPE_CHECKING:
    from daf.config import MissionConfig
    from daf.engine.episode import PlayedEpisode
    from daf.engine.simulation import SimulationFactory

DEFAULT_STEPS = 32
DEFAULT_TIMEOUT_S = 300.0
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True, repr=False)
class ValidationResult(Shown):
    """What was checked. A package is valid if no check is an error; warnings are allowed.

    Attributes:
        package: path of the package.
        sha256: of the package; None if there is none.
        mission: the mission that it played.
        checks: all checks, in the order they ran.
        rewards: total reward of every agent in the steps played.
    """

    package: str
    sha256: str | None
    mission: str
    checks: list[CheckResult]
    rewards: list[float]

    @property
    def problems(self) -> list[str]:
        return messages(self.checks, "error")

    @property
    def warnings(self) -> list[str]:
        return messages(self.checks, "warning")

    @property
    def is_valid(self) -> bool:
        return not self.problems

    def _headline(self) -> str:
        return f"{str(self).splitlines()[0]}, {counted(self.checks)}"

    def __str__(self) -> str:
        verdict = "valid" if self.is_valid else "NOT VALID"
        return f"{self.package}, played on {self.mission}: {verdict}\n{as_lines(self.checks)}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "package": self.package, "sha256": self.sha256, "mission": self.mission, "is_valid": self.is_valid,
            "problems": self.problems, "warnings": self.warnings, "rewards": self.rewards,
            "checks": [asdict(check) for check in self.checks],
        }  # fmt: skip


def validate_package(
    package_path: str | Path,
    mission: str | MissionConfig,
    *,
    steps: int = DEFAULT_STEPS,
    seed: int = 0,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_action_time_ms: int = DEFAULT_ACTION_TIME_MS,
    verification_key: str | Path | None = None,
) -> ValidationResult:
    """See `daf.deployment.daf_validate_deployment`."""
    from daf.engine.guest import shortened
    from daf.engine.missions import resolve_mission

    if steps < 1:
        raise BadInputError("at least one step", str(steps), "daf_validate_deployment: steps")
    package = Path(package_path)
    label = mission if isinstance(mission, str) else mission.source
    factory = shortened(resolve_mission(mission).env_config, steps)
    sha256 = file_sha256(package) if package.is_file() else None
    inspection = inspect(package, verification_key)
    checks, rewards = list(inspection.checks), []
    if inspection.passed:
        limits = replace(DEFAULT_LIMITS, wall_seconds=timeout_s, cpu_seconds=int(2 * timeout_s) + 1)
        settings = _Settings(seed=seed, max_action_time_ms=max_action_time_ms, limits=limits)
        played = _play(package, factory, settings)
        checks += _judge(played, factory, inspection.manifest, label)
        rewards = played.episode.agent_rewards if played.episode else []
    return ValidationResult(package=str(package), sha256=sha256, mission=label, checks=checks, rewards=rewards)


def require_valid(result: ValidationResult, hint: str = "") -> None:
    """Raise DeploymentError, with every problem, unless the package is valid."""
    if not result.is_valid:
        raise DeploymentError("a valid package", *found_and_hint(result.problems, result.package, hint))


def _play(package: Path, factory: SimulationFactory, settings: _Settings) -> _Played:
    """Play the bundle, which lives in a separate, confined process; the episode is played here."""
    with package_player(package, settings.limits) as player:
        played = _Played(player=player)
        try:
            if not player.start():
                played.episode = player.play(factory, settings.seed, settings.max_action_time_ms)
                played.golden = read_golden(package)
                played.deviation = replay(played.golden, player) if played.golden else ""
        except GuestError as error:
            played.error, played.place = str(error), error.place
        except BadInputError as error:
            played.error = f"{error.found} (expected {error.expected})"
        return played


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """How a package is played."""

    seed: int
    max_action_time_ms: int
    limits: Limits


@dataclass(kw_only=True)
class _Played:
    """How far playing came. `deviation` is None until golden vectors were replayed."""

    player: PackagePlayer
    episode: PlayedEpisode | None = None
    golden: GoldenVectors | None = None
    deviation: str | None = None
    error: str = ""
    place: str = ""


def _judge(played: _Played, factory: SimulationFactory, manifest: Manifest | None, mission: str) -> list[CheckResult]:
    expected = f"a policy that loads and acts on {mission}"
    checks = _check_protection(played.player.protection)
    if played.player.files:
        hint = "train again without NaN; save tensors with torch.save or as safetensors"
        return [*checks, check("files", "error", played.player.files, "finite tensors and plain data", hint)]
    found = played.error + (f" ({played.place})" if played.place else "")
    if played.episode is None:
        hint = "was it trained on another mission, or does `include` lack files that it needs?"
        return [check("play", "error", found, expected, hint), *checks]
    return [
        check("play", "ok", number_of(played.episode.length, "step"), expected),
        *_check_golden(played, found),
        *checks,
        *_check_fit(manifest, factory, mission),
        *_check_episode(played.episode),
    ]


def _check_golden(played: _Played, error: str) -> list[CheckResult]:
    if played.golden is None and not error:
        return []
    expected = "the answers that the packaged policy gave"
    if found := played.deviation or error:
        hint = "is another version of torch or of the engine installed here? otherwise package the policy again"
        return [check("golden vectors", "error", found, expected, hint)]
    return [check("golden vectors", "ok", str(played.golden), expected)]


def _check_protection(protection: Protection | None) -> list[CheckResult]:
    if protection is None or (protection["separated"] and not protection["refused"]):
        return []
    found = protection["reason"] or ", ".join(protection["refused"])
    hint = (
        "only packages that you trust may be validated here; elsewhere they have no network, files or other processes"
    )
    return [check("confinement", "warning", found, "namespaces and limits of the kernel", hint)]


def _check_fit(manifest: Manifest | None, factory: SimulationFactory, mission: str) -> list[CheckResult]:
    if manifest is None:
        return []
    checks, shape, names = [], list(factory.observation_shape), list(factory.interface.action_names)
    if manifest.observation_shape not in (None, shape):
        found = f"{shape} on {mission}"
        checks.append(check("observation shape", "warning", found, f"{manifest.observation_shape}, as packaged"))
    if manifest.action_names not in (None, names):
        expected = ", ".join(manifest.action_names or []) + ", as packaged"
        checks.append(check("actions", "warning", ", ".join(names), expected))
    return checks


def _check_episode(episode: PlayedEpisode) -> list[CheckResult]:
    checks = []
    if episode.timeouts:
        hint = "scores depend on the speed of the machine; a smaller network answers faster"
        checks.append(check("action time", "warning", f"{episode.timeouts} timeouts", "none", hint))
    counts = [(key, count) for agent in episode.agent_stats for key, count in agent.items()]
    if not any(
        count > 0 and key.startswith("action.") and key.endswith(".success") and key != "action.noop.success"
        for key, count in counts
    ):
        hint = "CoGames' own validation rejects such a policy"
        checks.append(check("actions taken", "warning", "only noop, or moves that failed", "some action", hint))
    return checks
