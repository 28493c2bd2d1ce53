"""Ablations: switch components of a policy or of its training off, one at a time, and compare with the full one.

Only the k comparisons of the full policy with its variants are made, and Holm's method corrects for those.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daf.config import DAFTrainingConfig, ExperimentConfig, MissionConfig, PolicyConfig
from daf.errors import BadInputError, ConfigError, did_you_mean

if TYPE_CHECKING:
    from daf.engine.policies import ResolvedPolicy
    from daf.engine.types import PolicySpec
    from daf.statistics.results import ComparisonResults

Components = Mapping[str, Mapping[str, Any]] | Sequence[str]
FULL = "full"
WHERE = "daf_policy_ablation: components"


def daf_policy_ablation(
    policy: str | PolicySpec | PolicyConfig | DAFTrainingConfig,
    components: Components,
    missions: Sequence[str | MissionConfig] | None = None,
    episodes_per_mission: int | Literal["auto"] = 32,
    *,
    output_dir: str | Path | None = None,
    cores: int = 1,
    verbose: bool = True,
    **options: Any,
) -> ComparisonResults:
    """Switch components off, one at a time, and compare each variant with the full policy.

    Args:
        policy: a policy, whose init_kwargs are switched; or a training run, of which any key is switched, the variants
            are trained with the same seeds, through the workflow, and with several seeds question B is answered.
        components: for each variant its name and what replaces the full values: init_kwargs of a policy, such as
            {"no memory": {"use_memory": False}}, or dotted keys of a run, such as
            {"no entropy bonus": {"hyperparameters.entropy_coef": 0}}. A list of names or keys switches each off: true
            becomes false, a number 0.
        missions: needed for a policy; default for a training run: the mission it learns, by name.
        output_dir: as in `daf_compare_policies`; for a training run the folder of everything, `daf_output/ablation` by
            default.
        cores: jobs at once, for a training run.
        options: as in `daf_compare_policies`; for a training run the keys of `DAFComparisonConfig`.

    Raises:
        BadInputError: no components, an unknown one, one that has no obvious "off", or a bundle, whose arguments are
            fixed inside it. Nothing was played then.
    """
    if not components:
        raise BadInputError("at least one component", "none", WHERE)
    if isinstance(policy, DAFTrainingConfig):
        sources = [policy.mission] if missions is None else [_mission_name(mission) for mission in missions]
        settings = {"missions": sources, "episodes_per_mission": episodes_per_mission, **options}
        return _train_variants(policy, components, settings, Path(output_dir or "daf_output/ablation"), cores, verbose)
    if missions is None:
        raise BadInputError("missions to play", "none", "daf_policy_ablation: missions")
    from daf.compare.labels import unique_labels
    from daf.comparison import daf_compare_policies

    variants = _policy_variants(policy, components)
    reference = unique_labels([variant.label for variant in variants])[0]
    return daf_compare_policies(
        variants, missions, episodes_per_mission, reference=reference, output_dir=output_dir, verbose=verbose, **options
    )


def _mission_name(mission: str | MissionConfig) -> str:
    if isinstance(mission, str):
        return mission
    hint = "a training run is played by name"
    raise BadInputError("the name of a mission", "a MissionConfig", "daf_policy_ablation: missions", hint)


# ---- a policy's arguments ---------------------------------------------------------------------------------


def _policy_variants(policy: str | PolicySpec | PolicyConfig, components: Components) -> list[ResolvedPolicy]:
    """The full policy and its variants, checked."""
    from daf.engine.policies import load_policy_class, resolve_policy

    full = resolve_policy(policy)
    if full.bundle is not None:
        where = f"policy '{full.label}'"
        raise BadInputError("a class path with init_kwargs", "a bundle", where, "its arguments are fixed inside it")
    signature = inspect.signature(load_policy_class(full.class_path, full.label).__init__).parameters
    defaults = {name: one.default for name, one in signature.items() if one.default is not inspect.Parameter.empty}
    changes = _changes(components, defaults | full.init_kwargs)
    variants = [full]
    for name, override in changes.items():
        changed = PolicyConfig(
            class_path=full.class_path, data_path=full.data_path, init_kwargs={**full.init_kwargs, **override}
        )
        variants.append(resolve_policy(changed, label=name))
    return variants


def _changes(components: Components, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Variant → what it replaces. Names in a list are switched off from their full value."""
    if isinstance(components, Mapping):
        return {name: dict(override) for name, override in components.items()}
    changes: dict[str, dict[str, Any]] = {}
    for name in components:
        if name not in values:
            raise BadInputError("the name of a component", f"'{name}'", WHERE, did_you_mean(name, values))
        changes[f"without {name.rpartition('.')[2]}"] = {name: _off(name, values[name])}
    return changes


def _off(name: str, value: Any) -> Any:
    hint = f"say what replaces it: {{'variant': {{'{name}': …}}}}"
    if isinstance(value, bool | int | float):
        if not value:
            raise BadInputError("a component that is on", f"{name} = {value}", WHERE, hint)
        return False if isinstance(value, bool) else type(value)(0)
    raise BadInputError("true or a number, which have an obvious off", f"{name} = {value!r}", WHERE, hint)


# ---- a training run's keys --------------------------------------------------------------------------------


def ablation_experiment(
    run: DAFTrainingConfig, components: Components, settings: Mapping[str, Any], output_dir: Path
) -> ExperimentConfig:
    """The experiment that trains the full run and every variant and compares them.

    Raises:
        ConfigError, BadInputError: a key that does not exist, or a value that it does not take.
    """
    from daf.compare.labels import path_name

    full = run.to_dict()
    runs = {FULL: full}
    for name, override in _changes(components, _flat(full)).items():
        variant = path_name(name)
        if variant in runs:
            raise BadInputError("variants with different names", f"'{variant}' twice", WHERE)
        changed = _replaced(full, override)
        DAFTrainingConfig.from_dict(changed, source=f"{WHERE}: {name}")
        runs[variant] = changed
    return ExperimentConfig.from_dict(
        {
            "name": "ablation",
            "daf": {"output_dir": str(output_dir)},
            "training": runs,
            "policies": {name: {"training": name} for name in runs},
            "comparisons": {"ablation": {**settings, "policies": list(runs), "reference": FULL}},
        },
        source="daf_policy_ablation",
    )


def _train_variants(
    run: DAFTrainingConfig,
    components: Components,
    settings: Mapping[str, Any],
    output_dir: Path,
    cores: int,
    verbose: bool,
) -> ComparisonResults:
    from daf.compare.generated import run_generated_comparison

    if run.sweep is not None:
        hint = "give the run the hyperparameters that the sweep found"
        raise ConfigError([BadInputError("a run of its own", f"sweep '{run.sweep}'", "daf_policy_ablation", hint)])
    experiment = ablation_experiment(run, components, settings, output_dir)
    results = run_generated_comparison(experiment, output_dir, cores=cores)
    if verbose:
        print(results)
    return results


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _replaced(data: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the values at dotted keys replaced; keys that do not exist are left to the model to refuse."""
    changed: dict[str, Any] = {key: dict(v) if isinstance(v, Mapping) else v for key, v in data.items()}
    for path, value in override.items():
        head, _, rest = path.partition(".")
        changed[head] = _replaced(changed.get(head) or {}, {rest: value}) if rest else value
    return changed
