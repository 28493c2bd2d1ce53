"""Ablations: switch off components of a policy or of its training, one at a time, and compare with the full version.

The full policy is compared with each of its k variants; Holm's method corrects for those k comparisons only.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from daf.config import DAFTrainingConfig, ExperimentConfig, MissionConfig, PolicyConfig
from daf.errors import BadInputError, ConfigError, did_you_mean
from daf.system.arguments import check_argument, checked_arguments
from daf.system.plain import flatten
from daf.system.user_paths import user_path

if TYPE_CHECKING:
    from daf.engine.policies import ResolvedPolicy
    from daf.engine.types import PolicySpec
    from daf.statistics.results import ComparisonResults

Components = Mapping[str, Mapping[str, Any]] | Sequence[str]
FULL = "full"
WHERE = "daf_policy_ablation: components"


@checked_arguments
def daf_policy_ablation(
    policy: Any,
    components: Components,
    missions: Sequence[str | MissionConfig] | None = None,
    episodes_per_mission: int | Literal["auto"] | None = None,
    *,
    output_dir: str | Path | None = None,
    cores: int = 1,
    verbose: bool = True,
    **options: Any,
) -> ComparisonResults:
    """Switch off components, one at a time, and compare each variant with the full policy.

    Args:
        policy: a policy, whose init_kwargs are replaced; or a training run, whose keys are replaced. The workflow
            trains the variants of a run with the same seeds; with several seeds, their recipes are compared.
        components: each variant's name with its replacement values: init_kwargs of a policy, such as
            {"no memory": {"use_memory": False}}, or dotted keys of a run, such as
            {"no entropy bonus": {"hyperparameters.entropy_coef": 0}}. A list of names or keys switches each of them
            off: true becomes false, a number becomes 0.
        missions: required for a policy; default for a training run: its mission.
        episodes_per_mission: as in `daf_compare_policies`; default: that of `DAFComparisonConfig`.
        output_dir: as in `daf_compare_policies`; for a training run the folder of all files, `daf_output/ablation` by
            default.
        cores: number of parallel jobs, for a training run.
        options: keys of `DAFComparisonConfig`; for a policy also workers, device and max_action_time_ms as
            in `daf_compare_policies`.

    Raises:
        BadInputError: no components, an unknown one, one without an obvious "off", or a bundle, whose arguments are
            fixed inside it. Nothing has been played.
    """
    if not components:
        raise BadInputError("at least one component", "none", WHERE)
    if episodes_per_mission is not None:
        options["episodes_per_mission"] = episodes_per_mission
    if isinstance(policy, DAFTrainingConfig):
        sources = [policy.mission] if missions is None else [_mission_name(mission) for mission in missions]
        settings = {"missions": sources, **options}
        return _train_variants(
            policy, components, settings, user_path(output_dir or "daf_output/ablation", "output_dir"), cores, verbose
        )
    if missions is None:
        raise BadInputError("missions to play", "none", "daf_policy_ablation: missions")
    return _play_variants(policy, components, missions, options, output_dir, verbose)


def _mission_name(mission: str | MissionConfig) -> str:
    if isinstance(mission, str):
        return mission
    hint = "missions of a training run are given by name"
    raise BadInputError("the name of a mission", "a MissionConfig", "daf_policy_ablation: missions", hint)


# ---- a policy's arguments ---------------------------------------------------------------------------------


def _play_variants(
    policy: str | PolicySpec | PolicyConfig,
    components: Components,
    missions: Sequence[str | MissionConfig],
    options: Mapping[str, Any],
    output_dir: str | Path | None,
    verbose: bool,
) -> ComparisonResults:
    from daf.compare.files import deliver
    from daf.compare.play import PlaySettings, play_comparison, resolve_lineup
    from daf.compare.settings import check_overrides, comparison_config

    how = {field.name for field in fields(PlaySettings)}
    for name, kind in get_type_hints(PlaySettings).items():
        if name in options:
            check_argument(options[name], kind, f"daf_policy_ablation: {name}")
    settings = PlaySettings(**{name: value for name, value in options.items() if name in how})
    overrides = {name: value for name, value in options.items() if name not in how}
    check_overrides(daf_policy_ablation, overrides)
    lineup = resolve_lineup(_policy_variants(policy, components), missions)
    names = [mission.name for mission in lineup.missions]
    config = comparison_config(
        daf_policy_ablation, None, {"reference": lineup.labels[0], **overrides}, policies=lineup.labels, missions=names
    )
    return deliver(play_comparison(lineup, config, settings), output_dir, verbose)


def _policy_variants(policy: str | PolicySpec | PolicyConfig, components: Components) -> list[ResolvedPolicy]:
    """The full policy and its variants, checked."""
    from daf.engine.policies import load_policy_class, resolve_policy

    full = resolve_policy(policy)
    if full.bundle is not None:
        where = f"policy '{full.label}'"
        raise BadInputError("a class path with init_kwargs", "a bundle", where, "its arguments are fixed inside it")
    signature = inspect.signature(load_policy_class(full.class_path, full.label).__init__).parameters
    defaults = {name: p.default for name, p in signature.items() if p.default is not inspect.Parameter.empty}
    changes = _changes(components, defaults | full.init_kwargs)
    variants = [full]
    for name, override in changes.items():
        changed = PolicyConfig(
            class_path=full.class_path, data_path=full.data_path, init_kwargs={**full.init_kwargs, **override}
        )
        variants.append(resolve_policy(changed, label=name))
    return variants


def _changes(components: Components, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The replacement values by variant. Components given as a list are switched off."""
    if isinstance(components, Mapping):
        return {name: dict(override) for name, override in components.items()}
    changes: dict[str, dict[str, Any]] = {}
    for name in components:
        if name not in values:
            raise BadInputError("the name of a component", f"'{name}'", WHERE, did_you_mean(name, values))
        changes[f"without {name.rpartition('.')[2]}"] = {name: _off(name, values[name])}
    return changes


def _off(name: str, value: Any) -> Any:
    hint = f"specify its replacement: {{'variant': {{'{name}': …}}}}"
    if isinstance(value, bool | int | float):
        if not value:
            raise BadInputError("a component that is on", f"{name} = {value}", WHERE, hint)
        return False if isinstance(value, bool) else type(value)(0)
    raise BadInputError("true or a number, which have an obvious off value", f"{name} = {value!r}", WHERE, hint)


# ---- a training run's keys --------------------------------------------------------------------------------


def ablation_experiment(
    run: DAFTrainingConfig, components: Components, settings: Mapping[str, Any], output_dir: Path
) -> ExperimentConfig:
    """The experiment that trains the full run and every variant and compares them.

    Raises:
        ConfigError, BadInputError: an unknown key, or a value that it does not accept.
    """
    from daf.compare.labels import path_name

    full = run.to_dict()
    runs = {FULL: full}
    for name, override in _changes(components, flatten(full)).items():
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
        raise ConfigError(
            [BadInputError("a run with fixed hyperparameters", f"sweep '{run.sweep}'", "daf_policy_ablation", hint)]
        )
    experiment = ablation_experiment(run, components, settings, output_dir)
    results = run_generated_comparison(experiment, output_dir, cores=cores)
    if verbose:
        print(results)
    return results


def _replaced(data: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the values at dotted keys replaced; the model later rejects unknown keys."""
    changed: dict[str, Any] = {key: dict(v) if isinstance(v, Mapping) else v for key, v in data.items()}
    for path, value in override.items():
        head, _, rest = path.partition(".")
        changed[head] = _replaced(changed.get(head) or {}, {rest: value}) if rest else value
    return changed
