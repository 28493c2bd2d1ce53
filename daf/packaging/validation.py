"""Whether a package is intact, and whether it plays in a fresh process without DAF."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from daf.config import EvaluationConfig
from daf.errors import BadInputError, DeploymentError
from daf.packaging.bundle import SPEC_NAME
from daf.packaging.manifest import Manifest, differences, read_manifest
from daf.system.archives import Archive
from daf.system.checks import CheckResult, Status, as_lines, found_and_hint, messages
from daf.system.files import file_sha256
from daf.system.validated import read_record, validated

if TYPE_CHECKING:
    from daf.config import MissionConfig

DEFAULT_STEPS = 32
DEFAULT_TIMEOUT_S = 300.0
DEFAULT_ACTION_TIME_MS = EvaluationConfig().max_action_time_ms
RUNNER = Path(__file__).with_name("isolated_run.py")
# The only variables that the fresh process gets from this environment: no secrets, no PYTHONPATH.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
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
) -> ValidationResult:
    """See `daf.deployment.daf_validate_deployment`."""
    from daf.engine.missions import resolve_mission

    if steps < 1:
        raise BadInputError("at least one step", str(steps), "daf_validate_deployment: steps")
    package = Path(package_path)
    label = mission if isinstance(mission, str) else mission.source
    resolved = resolve_mission(mission)
    checks, manifest = _check_archive(package)
    rewards: list[float] = []
    sha256 = file_sha256(package) if package.is_file() else None
    if all(check.status != "error" for check in checks):
        env = resolved.env_config.model_dump_json()
        outcome = _play(package, env, steps, seed, timeout_s, max_action_time_ms)
        checks += _judge(outcome, manifest, label)
        rewards = outcome.get("rewards", [])
    return ValidationResult(package=str(package), sha256=sha256, mission=label, checks=checks, rewards=rewards)


def require_valid(result: ValidationResult, hint: str = "") -> None:
    """Raise DeploymentError, with every problem, unless the package is valid."""
    if not result.is_valid:
        raise DeploymentError("a valid package", *found_and_hint(result.problems, result.package, hint))


def _check(name: str, status: Status, found: str, expected: str, hint: str = "") -> CheckResult:
    return CheckResult(name=name, status=status, found=found, expected=expected, hint=hint)


def _check_archive(package: Path) -> tuple[list[CheckResult], Manifest | None]:
    again = "package the policy again"
    try:
        archive = Archive(package, f"a package at {package}", again)
        archive.digests()  # any damage is found now
    except BadInputError as error:
        return [_check("archive", "error", error.found, error.expected, error.hint)], None
    names = archive.names
    if SPEC_NAME not in names:
        return [_check("archive", "error", f"no {SPEC_NAME}", "a submission bundle", again)], None
    checks = [_check("archive", "ok", f"{len(names)} members", "a submission bundle")]
    try:
        manifest = read_manifest(package)
    except DeploymentError as error:
        return [*checks, _check("manifest", "error", error.found, error.expected, error.hint)], None
    deviations = differences(manifest, package)
    if deviations:
        checks.append(_check("manifest", "error", "; ".join(deviations[:3]), "the content of the manifest", again))
    else:
        checks.append(_check("manifest", "ok", f"{len(manifest.files)} hashes match", "the content of the manifest"))
    return checks, manifest


def _play(package: Path, env: str, steps: int, seed: int, timeout_s: float, max_action_time_ms: int) -> dict[str, Any]:
    """Run the bundle in a fresh process; `-I` excludes PYTHONPATH, the user's site and the current folder."""
    with tempfile.TemporaryDirectory(prefix="daf-validate-") as name:
        folder = Path(name)
        (folder / "env.json").write_text(env)
        request = {
            "package": str(package.resolve()), "env": str(folder / "env.json"), "unpacked": str(folder / "bundle"),
            "steps": steps, "seed": seed, "max_action_time_ms": max_action_time_ms,
        }  # fmt: skip
        (folder / "request.json").write_text(json.dumps(request))
        variables = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
        variables |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-I", str(RUNNER), str(folder / "request.json"), str(folder / "result.json")]
        try:
            process = subprocess.run(
                command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"ok": False, "error": f"not finished after {timeout_s:g} s", "place": ""}
        if not (folder / "result.json").is_file():
            last = (process.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            return {"ok": False, "error": f"the process ended with status {process.returncode}: {last}", "place": ""}
        try:
            outcome = read_record(folder / "result.json", dict[str, Any])
            validated(_Played if outcome.get("ok") is True else _Failed, outcome, "result")
        except BadInputError as error:  # the policy's own process wrote it
            return {"ok": False, "error": f"it damaged the record of its episode: {error.found}", "place": ""}
        return outcome


class _Failed(TypedDict):
    """What `isolated_run` records of a policy that failed."""

    ok: Literal[False]
    error: str
    place: str


class _Played(TypedDict):
    """What `isolated_run` records of an episode."""

    ok: Literal[True]
    steps: int
    rewards: list[float]
    timeouts: int
    actions: dict[str, float]
    observation_shape: list[int]
    action_names: list[str]


def _judge(outcome: dict[str, Any], manifest: Manifest | None, mission: str) -> list[CheckResult]:
    expected = f"a policy that loads and acts on {mission}"
    if not outcome["ok"]:
        found = f"{outcome['error']}" + (f" ({outcome['place']})" if outcome["place"] else "")
        hint = "was it trained on another mission, or does `include` lack files that it needs?"
        return [_check("play", "error", found, expected, hint)]
    checks = [_check("play", "ok", f"{outcome['steps']} steps", expected)]
    if manifest is not None and manifest.observation_shape not in (None, outcome["observation_shape"]):
        found = f"{outcome['observation_shape']} on {mission}"
        checks.append(_check("observation shape", "warning", found, f"{manifest.observation_shape}, as packaged"))
    if manifest is not None and manifest.action_names not in (None, outcome["action_names"]):
        found = ", ".join(outcome["action_names"])
        checks.append(_check("actions", "warning", found, ", ".join(manifest.action_names or []) + ", as packaged"))
    if outcome["timeouts"]:
        hint = "scores depend on the speed of the machine; a smaller network answers faster"
        checks.append(_check("action time", "warning", f"{outcome['timeouts']} timeouts", "none", hint))
    acted = {name: count for name, count in outcome["actions"].items() if name != "noop" and count > 0}
    if not acted:
        hint = "CoGames' own validation rejects such a policy"
        checks.append(_check("actions taken", "warning", "only noop, or moves that failed", "some action", hint))
    return checks
