"""What the page of an experiment shows, collected from files: the status of its last run, and what pages say.

The status is that of `daf status`: both come from `daf.workflow.status.read_status`. Everything else is read from heads
of pages and small files, so that the page can be rewritten whenever a job ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from daf.errors import DafError
from daf.reporting.curve_samples import SampledCurve, sampled_curve
from daf.reporting.disk_use import DiskUse
from daf.reporting.page_heads import page_head
from daf.system.json_files import read_json
from daf.workflow.run_history import PastRun, read_history
from daf.workflow.run_record import PlannedJob
from daf.workflow.status import ExperimentStatus

# How a page relates to the last run.
Origin = Literal["current", "outdated", "missing", "live", "partial", "other"]
LEADERBOARD = "leaderboard.html"
MOST_RUNS = 50  # of the history
MOST_CURVES = 24  # training runs with a small picture
STAGES: Mapping[str, str] = {
    "environment": "Environment", "sweeps": "Sweeps", "training": "Training", "evaluations": "Evaluation",
    "replays": "Replays", "reports": "Missions", "comparisons": "Comparisons", "tournaments": "Tournaments",
    "deployment": "Package",
}  # fmt: skip
# By kind of page, where it lies, and the log of the job that writes it.
PAGES: Mapping[str, tuple[str, str]] = {
    "comparisons": ("comparisons/{name}/report.html", "comparisons/{name}/report.log"),
    "tournaments": ("tournaments/{name}/report.html", "tournaments/{name}/report.log"),
    "sweeps": ("sweeps/{name}/report.html", "sweeps/{name}/describe.log"),
    "missions": ("reports/missions/{name}.html", "reports/missions/{name}.log"),
}
ANSWERING = ("comparisons", "tournaments")  # kinds whose sentences answer what an experiment asks
# What takes the place of the page of a kind while the job that writes it is not done.
MEANWHILE: Mapping[str, tuple[str, Origin]] = {
    "sweeps": ("sweeps/{name}/live.html", "live"),
    "comparisons": ("comparisons/{name}/partial/report.html", "partial"),
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Jobs of one stage in the last run."""

    name: str
    up_to_date: int
    done: int
    running: int
    failed: int
    stopped: int
    left: int

    @property
    def total(self) -> int:
        return self.done + self.running + self.failed + self.stopped + self.left


@dataclass(frozen=True, kw_only=True)
class Result:
    """A page of results.

    Attributes:
        name: of the comparison, sweep or mission.
        address: from the index; empty if there is no page yet.
        sentence: its answer.
        origin: `outdated` if the last run replaces it, `missing` if the last run makes it, `live` if it is that of a
            running sweep, `partial` if it is that of a comparison without the policies that failed, `other` if it is
            not part of the last run.
    """

    name: str
    address: str
    sentence: str
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A training run, with the curve of each seed."""

    name: str
    curves: Mapping[str, SampledCurve]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A packaged policy.

    Attributes:
        name, version: of the package.
        mission: that it was made for.
        is_valid: whether it loads and plays without DAF; None if that was not checked.
        deployed: where it serves or was sent, in words; empty: nowhere.
        size_bytes: of the zip.
        created: when it was made.
        address: of the zip, from the index.
    """

    name: str
    version: str
    mission: str
    is_valid: bool | None
    deployed: str
    size_bytes: int
    created: str
    address: str


@dataclass(frozen=True, kw_only=True)
class IndexFacts:
    """Everything that the page shows, but the time.

    Attributes:
        status: of the last run, as `daf status` has it.
        results: pages by kind.
        history: the newest runs of the folder, the newest first, and `older`, the number of others.
        provenance: what the last run was made with; None if that was not recorded.
        has_leaderboard: whether there is a page of it.
    """

    status: ExperimentStatus
    stages: list[Stage]
    results: dict[str, list[Result]]
    training: list[TrainedRun]
    packages: list[Package]
    history: list[PastRun]
    older: int
    provenance: PastRun | None
    disk: DiskUse | None
    has_leaderboard: bool


def collect(found: ExperimentStatus) -> IndexFacts:
    """The facts about an output folder, given the status of its last run."""
    out = found.out
    history, older = read_history(out, MOST_RUNS)
    return IndexFacts(
        status=found,
        stages=stages_of(found),
        results={kind: _results(found, kind) for kind in PAGES},
        training=_training(found),
        packages=_packages(out),
        history=history,
        older=older,
        provenance=next((past for past in history if past.is_run_of(found.record)), None),
        disk=DiskUse.last(out),
        has_leaderboard=(out / LEADERBOARD).is_file(),
    )


def stages_of(found: ExperimentStatus) -> list[Stage]:
    """The jobs of the last run by stage, in the order in which stages run."""
    parts: dict[str, list[PlannedJob]] = {
        "up_to_date": [job for job in found.record.jobs if not job.needed],
        "done": found.done,
        "left": found.left,
        **{where: [status.job for status in found.started if status.where == where] for where in _STARTED},
    }
    counts: dict[str, dict[str, int]] = {}
    for part, jobs in parts.items():
        for job in jobs:
            stage = counts.setdefault(_stage(job), dict.fromkeys(parts, 0))
            stage[part] += 1
    order = list(STAGES)
    known = sorted(counts, key=lambda stage: (order.index(stage) if stage in order else len(order), stage))
    return [Stage(name=STAGES.get(stage, stage.capitalize()), **counts[stage]) for stage in known]


_STARTED = ("running", "failed", "stopped")


def _stage(job: PlannedJob) -> str:
    return job.log.partition("/")[0]


# ---- pages ------------------------------------------------------------------------------------------------------


def _results(found: ExperimentStatus, kind: str) -> list[Result]:
    """The pages of one kind: those of the last run in its order, then the others."""
    page, log = PAGES[kind]
    made = {name: job for job in found.record.jobs if (name := _name_in(job.log, log)) is not None}
    waiting = {job.log for job in found.left} | {status.job.log for status in found.started}
    present = {name for path in found.out.glob(page.format(name="*")) if (name := _name_of(path, page)) is not None}
    results = [_result(found, kind, name, is_waiting=job.log in waiting) for name, job in sorted(made.items())]
    return results + [_other(found.out, kind, name) for name in sorted(present - made.keys())]


def _name_in(path: str, pattern: str) -> str | None:
    """The name in a path that follows a pattern."""
    before, after = pattern.split("{name}")
    if not (path.startswith(before) and path.endswith(after)):
        return None
    name = path[len(before) : len(path) - len(after)]
    return name if name and "/" not in name else None


def _name_of(path: Path, pattern: str) -> str | None:
    return _name_in("/".join(path.parts[-pattern.count("/") - 1 :]), pattern)


def _result(found: ExperimentStatus, kind: str, name: str, *, is_waiting: bool) -> Result:
    address = PAGES[kind][0].format(name=name)
    head = page_head(found.out / address)
    if is_waiting and kind in MEANWHILE:
        pattern, origin = MEANWHILE[kind]
        meanwhile = page_head(found.out / pattern.format(name=name))
        if meanwhile is not None and meanwhile.written_ns > found.record.began * 1e9:
            return Result(name=name, address=pattern.format(name=name), sentence=meanwhile.sentence, origin=origin)
    if head is None:
        return Result(name=name, address="", sentence="", origin="missing")
    return Result(name=name, address=address, sentence=head.sentence, origin="outdated" if is_waiting else "current")


def _other(out: Path, kind: str, name: str) -> Result:
    address = PAGES[kind][0].format(name=name)
    head = page_head(out / address)
    return Result(name=name, address=address, sentence=head.sentence if head else "", origin="other")


def answers_so_far(found: ExperimentStatus) -> dict[str, list[Result]]:
    """By kind, what pages say in the place of those that the last run has not made yet."""
    return {
        kind: [result for result in _results(found, kind) if result.origin == origin and result.sentence]
        for kind, (_, origin) in MEANWHILE.items()
    }


def results_of_run(found: ExperimentStatus) -> list[dict[str, str]]:
    """What the pages of the last run say, for the history: comparisons and tournaments or, without one, sweeps."""
    for kinds in (ANSWERING, ("sweeps",)):
        current = [
            result for kind in kinds for result in _results(found, kind)
            if result.origin == "current" and result.sentence
        ]  # fmt: skip
        if current:
            return [{"name": one.name, "page": one.address, "sentence": one.sentence} for one in current]
    return []


# ---- training and packages -----------------------------------------------------------------------------------------


def _training(found: ExperimentStatus) -> list[TrainedRun]:
    """The training runs that have begun, those of the last run first."""
    planned = {job.log.split("/")[1] for job in found.record.jobs if _stage(job) == "training"}
    folders: dict[str, list[Path]] = {}
    for folder in found.out.glob("training/*/seed-*"):
        folders.setdefault(folder.parent.name, []).append(folder)
    names = sorted(folders, key=lambda name: (name not in planned, name))[:MOST_CURVES]
    runs = [TrainedRun(name=name, curves=dict(_curves(folders[name]))) for name in names]
    return [run for run in runs if run.curves]


def _curves(folders: Collection[Path]) -> Iterable[tuple[str, SampledCurve]]:
    for folder in sorted(folders, key=lambda folder: (len(folder.name), folder.name)):
        curve = sampled_curve(folder)
        if curve is not None:
            yield folder.name.removeprefix("seed-"), curve


def _packages(out: Path) -> list[Package]:
    """The packages, the newest first."""
    packages = []
    for path in out.glob("deployment/*.manifest.json"):
        manifest, stem = _read(path), path.name.removesuffix(".manifest.json")
        if manifest is None:
            continue
        validation = _read(path.with_name(f"{stem}.validation.json"))
        packages.append(
            Package(
                name=str(manifest.get("name")),
                version=str(manifest.get("version")),
                mission=str(manifest.get("mission") or ""),
                is_valid=None if validation is None else bool(validation.get("is_valid")),
                deployed=_deployed(path.with_name(stem)),
                size_bytes=int(manifest.get("size_bytes") or 0),
                created=str(manifest.get("created") or ""),
                address=f"deployment/{stem}.zip",
            )
        )
    return sorted(packages, key=lambda package: (package.created, package.name, package.version), reverse=True)


def _deployed(stem: Path) -> str:
    """What was done with a package last."""
    sent = _read(stem.with_name(f"{stem.name}.deployed.json"))
    back = _read(stem.with_name(f"{stem.name}.rolled-back.json"))
    words = []
    if sent is not None:
        tried = (sent.get("details") or {}).get("dry_run")
        words.append(f"{'tried for' if tried else 'sent to'} {sent.get('endpoint')}")
    if back is not None:
        words.append(f"{back.get('name')} {back.get('version')} is current again at {back.get('endpoint')}")
    return "; ".join(words)


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; None if it is missing or damaged: the page shows the others."""
    try:
        content = read_json(path)
    except DafError:
        return None
    return content if isinstance(content, dict) else None
