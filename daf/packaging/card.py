"""The model card of a package: README.md with the front matter that model hubs read (`model-index`).

It says what the policy is for, how to play it, what a comparison found, how it was trained, where it comes from, and
what is not known. Everything in it follows from the recipe and the comparison; there is no time or machine in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daf.packaging.bundle import MISSION_NAME
from daf.statistics.records import OVERALL
from daf.statistics.sentences import number, p_value, percent, span
from daf.system.nouns import number_of

if TYPE_CHECKING:
    from huggingface_hub.repocard_data import EvalResult

    from daf.config.licenses import License
    from daf.packaging.findings import Findings, Score

TASK = "reinforcement-learning"


@dataclass(frozen=True, kw_only=True)
class CardContent:
    """What the card is made from.

    Attributes:
        facts: what metadata.json says of the package.
        lineage: what lineage.json says.
        documents: name of a document in the bundle → what it holds.
        unhashed: distributions whose hashes are unknown.
        intended_use: the author's words on what it is for.
        limitations: the author's words on its weaknesses.
        mission_name: what the mission is called where it is compared; None: as its source.
    """

    facts: Mapping[str, Any]
    lineage: Mapping[str, Any]
    license: License | None = None
    findings: Findings | None = None
    has_mission_file: bool = False
    documents: Mapping[str, str] = field(default_factory=dict)
    unhashed: Sequence[str] = ()
    intended_use: str = ""
    limitations: str = ""
    mission_name: str | None = None

    @property
    def mission(self) -> str | None:
        """The mission that the policy was made for, with its source if that has another name."""
        source: str | None = self.facts["mission"]
        if source is None or self.mission_name in (None, source):
            return source
        return f"{self.mission_name} (from {source})"


def model_card(content: CardContent) -> bytes:
    """The text of README.md."""
    from huggingface_hub.repocard import ModelCard
    from huggingface_hub.repocard_data import ModelCardData

    facts = content.facts
    results = eval_results(content.findings) if content.findings else None
    data = ModelCardData(
        model_name=f"{facts['name']} {facts['version']}",
        pipeline_tag=TASK,
        library_name="cogames",
        tags=["cogames", "multi-agent", TASK],
        eval_results=results or None,
        **_license_fields(content.license),
    )
    card = ModelCard(f"---\n{data.to_yaml(line_break=chr(10))}\n---\n\n{_body(content)}")
    return str(card).encode()


def _license_fields(license: License | None) -> dict[str, Any]:
    """As model hubs want them: a lower-case identifier, or `other` with a name and a link."""
    if license is None:
        return {}
    if license.spdx is None or " " in license.spdx:
        return {"license": "other", "license_name": license.spdx or "custom", "license_link": "LICENSE"}
    return {"license": license.spdx.lower()}


def eval_results(found: Findings) -> list[EvalResult]:
    """The scores of the packaged checkpoint, one entry per mission and metric, each with its interval."""
    from huggingface_hub.repocard_data import EvalResult

    results = []
    for score in found.scores:
        metrics = [("mean_reward", f"mean score ({found.unit})", score.mean, score.low, score.high, score.method)]
        if score.success_rate is not None:
            wilson = "Wilson"
            metrics.append(
                ("success_rate", "success rate", score.success_rate, score.success_low, score.success_high, wilson)
            )
        for kind, name, value, low, high, method in metrics:
            if value is None:
                continue
            arguments = {
                "interval_low": low, "interval_high": high, "confidence_level": found.level, "method": method,
                "episodes": score.n_episodes,
            }  # fmt: skip
            results.append(
                EvalResult(
                    task_type=TASK, task_name="multi-agent cooperation", dataset_type="cogames-mission",
                    dataset_name=_place(score), dataset_config=score.mission, metric_type=kind, metric_name=name,
                    metric_value=value, metric_args=arguments,
                )
            )  # fmt: skip
    return results


def _place(score: Score) -> str:
    return "all missions, each with the same weight" if score.mission == OVERALL else score.mission


# ---- the text -------------------------------------------------------------------------------------------------


def _body(content: CardContent) -> str:
    facts = content.facts
    sections = [
        ("", _overview(content)),
        ("Play it", _commands(facts, content.has_mission_file)),
        ("Intended use", _intended_use(content)),
        ("Evaluation", _evaluation(content.findings)),
        ("Training", _training(content.lineage)),
        ("Lineage", _lineage(content)),
        ("Limits", _limits(content)),
        ("Licence", _licence(content.license)),
        ("Files", _table(("file", "what it holds"), [(f"`{k}`", v) for k, v in content.documents.items()])),
    ]
    text = "\n\n".join(f"## {title}\n\n{body}" if title else body for title, body in sections)
    return f"# {facts['name']} {facts['version']}\n\n{text}\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def _overview(content: CardContent) -> str:
    facts = content.facts
    shape, actions = facts["observation_shape"], facts["action_names"]
    rows = [
        ("policy class", f"`{facts['class_path']}`"),
        ("arguments", f"`{json.dumps(facts['init_kwargs'], sort_keys=True)}`"),
        ("weights", f"`{facts['weights']}`" if facts["weights"] else "none"),
        ("made for the mission", content.mission or "none was given"),
        ("observation shape", " × ".join(map(str, shape)) if shape else "not recorded"),
        ("actions", ", ".join(actions) if actions else "not recorded"),
        ("engine", ", ".join(f"{name} {version}" for name, version in facts["engine"].items())),
        ("recipe", f"`{facts['recipe_digest'][:16]}`"),
    ]
    description = facts["description"] or "A policy for CoGames, packaged by DAF."
    return f"{description}\n\nThis is a CoGames submission bundle.\n\n{_table(('', ''), rows)}"


def _commands(facts: Mapping[str, Any], has_mission_file: bool) -> str:
    """Commands that play the bundle; a mission that CoGames does not have by this name is in the bundle."""
    zip_name = f"{facts['name']}-{facts['version']}.zip"
    folder = zip_name.removesuffix(".zip")
    unpack = [f"python -m zipfile -e {zip_name} {folder}"] if has_mission_file else []
    played = f"{folder}/{MISSION_NAME}" if has_mission_file else facts["mission"] or "tutorial.miner"
    commands = "\n".join([*unpack, f"cogames run -m {played} -p file://$PWD/{zip_name}"])
    requirements = "pip install -r requirements.txt"
    return (
        f"```sh\n{commands}\n```\n\nThe file `requirements.txt` names what it was made with (`{requirements}`). The "
        "engine unpacks a bundle only once per path: after replacing the zip under the same name, use another path."
    )


def _intended_use(content: CardContent) -> str:
    mission = content.mission
    words = [content.intended_use] if content.intended_use else []
    words.append("For research on multi-agent policies in the simulated missions of CoGames" +
                 (f"; it was made for {mission}." if mission else "."))  # fmt: skip
    words.append("It is not meant for anything outside of the simulator.")
    return "\n\n".join([*words[:1], " ".join(words[1:])] if content.intended_use else [" ".join(words)])


def _evaluation(found: Findings | None) -> str:
    if found is None:
        return "None: no comparison was named when this was packaged."
    level = f"{100 * found.level:.4g} %"
    rows: list[tuple[object, ...]] = [
        (_place(score), score.n_episodes, number(score.mean), span(score.low, score.high), percent(score.success_rate),
         score.failures, score.timeouts)
        for score in found.scores
    ]  # fmt: skip
    head = ("mission", "episodes", f"mean ({found.unit})", f"{level} interval", "success", "failed", "timeouts")
    parts = [
        f"This checkpoint alone, from a comparison under the name `{found.policy}`. Intervals are {level} confidence "
        "intervals for these weights over other episodes of the same missions.",
        _table(head, rows),
    ]
    if found.episode_seeds:
        parts.append("Episode seeds: " + "; ".join(f"{name}: {text}" for name, text in found.episode_seeds.items()))
    if found.recipe:
        rows = [
            (record.mission, record.n_train_seeds, number(record.mean), span(record.recipe_low, record.recipe_high))
            for record in found.recipe
        ]
        parts.append(
            f"The same recipe, over its {number_of(found.n_seeds, 'training seed')}, of which this package holds one:"
        )
        parts.append(_table(("mission", "training seeds", "mean", f"{level} interval"), rows))
    if found.pairs:
        rows = [
            (pair.policy_b, pair.mission, pair.estimand, number(pair.difference),
             span(pair.interval_low, pair.interval_high), p_value(pair.p_holm), pair.verdict)
            for pair in found.pairs
        ]  # fmt: skip
        head = ("against", "mission", "compares", "difference", f"{level} interval", "p (Holm)", "verdict")
        parts.append(f"Against the other policies (difference: `{found.policy}` minus the other):")
        parts.append(_table(head, rows))
    return "\n\n".join(parts)


def _agent_steps(taken: int, budget: int) -> str:
    """How far these weights were trained."""
    chosen = f" of a run of {budget:,}: held-out evaluations chose the weights of that point"
    return f"{taken:,}{chosen if taken < budget else ''}"


def _training(lineage: Mapping[str, Any]) -> str:
    training = lineage["training"]
    if training is None:
        return "DAF did not train this policy; how it was made is not recorded."
    recipe = training["recipe"]
    rows = [
        ("mission", recipe["mission"]["name"]),
        ("agent-steps", _agent_steps(training["agent_steps"], recipe["num_steps"])),
        ("training seed", training["seed"]),
        ("processes", recipe["world_size"]),
        ("precision", recipe["precision"]),
        ("recipe digest", f"`{training['recipe_digest']}`"),
        *((f"`{name}`", f"`{json.dumps(value)}`") for name, value in sorted(recipe["hyperparameters"].items())),
    ]
    cost = "Wall-clock time and machines differ from run to run; they are in the manifest next to the zip."
    return f"PPO, by DAF.\n\n{_table(('', ''), rows)}\n\n{cost}"


def _lineage(content: CardContent) -> str:
    lineage, found = content.lineage, content.findings
    sweep, code = lineage["sweep"], (lineage["policy"].get("code") or {}).get("files", {})
    parts = []
    if sweep is not None:
        chosen = f"trial {sweep['trial']} of {sweep['num_trials']} of the sweep `{sweep['sweep']}`"
        parts.append(
            f"Hyperparameters: {chosen}, by {sweep['objective_metric']} ({number(sweep['objective'])} in the search)."
        )
    elif lineage["training"] is not None:
        parts.append("Hyperparameters: given, without a sweep.")
    if lineage["training"] is not None:
        parts.append(f"Training: seed {lineage['training']['seed']}.")
    if found is not None:
        parts.append(f"Comparison: tables with digest `{found.sha256[:16]}`.")
    if code:
        parts.append("The user's code: " + ", ".join(f"`{name}` (`{sha[:12]}`)" for name, sha in code.items()) + ".")
    parts.append("`lineage.json` has all recipes, seeds and digests.")
    return "\n".join(f"- {part}" for part in parts)


def _limits(content: CardContent) -> str:
    facts, found = content.facts, content.findings
    engine = ", ".join(f"{name} {version}" for name, version in facts["engine"].items() if name != "pufferlib-core")
    limits = [content.limitations] if content.limitations else []
    limits.append(f"It was made with {engine}; other versions may define missions and observations differently.")
    if facts["observation_shape"]:
        limits.append("It plays only missions with the observations and actions above.")
    if found is None:
        limits.append("How well it plays is not known.")
    else:
        missions = ", ".join(score.mission for score in found.scores if score.mission != OVERALL)
        limits.append(f"How well it plays is known only on {missions}.")
        if 0 < found.n_seeds < 2:
            limits.append("One training seed was compared: whether training again gives as good a policy is not known.")
        limits += found.notes
    if content.lineage["training"] is None:
        limits.append("How it was trained is not recorded.")
    if content.unhashed:
        named, more = ", ".join(content.unhashed[:5]), len(content.unhashed) - 5
        limits.append(f"No hash is known of {named}{f' and {more} more distributions' if more > 0 else ''}.")
    return "\n".join(f"- {_cell(limit)}" for limit in limits)


def _licence(license: License | None) -> str:
    if license is None:
        return "None was given: all rights stay with the authors."
    return f"{license.spdx or 'Its own'}; see the file `LICENSE`."
