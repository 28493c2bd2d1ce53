"""Training requested from Python: turns an environment, a configuration and changes to it into a checked spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daf.config import DAFTrainingConfig, Hyperparameters, MissionConfig
from daf.config.recipes import training_recipe
from daf.config.start import broken_start
from daf.errors import BadInputError
from daf.system.files import write_text
from daf.system.user_paths import user_path
from daf.system.validated import require_name
from daf.training.frozen_policies import partners_recipe
from daf.training.options import RunOptions, TrainingSpec
from daf.training.paths import ENVIRONMENT, LOG
from daf.training.start import prepare_start
from daf.training.teaching import teacher_recipe

SOURCE = "daf_launch_distributed_training"
RUN_KEYS = ("device",)  # keys of RunOptions; every other change applies to a key of DAFTrainingConfig


def training_spec(
    env_cfg: Any,
    config: DAFTrainingConfig | None,
    changes: Mapping[str, Any],
    *,
    name: str,
    seed: int | None,
    output_dir: str | Path,
) -> TrainingSpec:
    """The training run of one seed in `{output_dir}/training/{name}/seed-{seed}`, ready to start.

    Args:
        env_cfg: an environment configuration of the engine, a MissionConfig, or a mission's name or file; None: the
            configuration's mission.
        config: default: `DAFTrainingConfig()`.
        changes: values for keys of DAFTrainingConfig, and for `device` of RunOptions (None: the default).
        seed: default: the configuration's first.

    Raises:
        ConfigError: an unknown key, or a value that it does not accept.
        BadInputError: both `env_cfg` and a `mission`; a run with a sweep; a `start_from` that is not a file of weights;
            see also `check_recipe`.
    """
    from daf.training.trainable import check_recipe

    require_name(name, f"{SOURCE}: name")
    if env_cfg is not None and "mission" in changes:
        raise BadInputError("env_cfg or mission", "both", f"{SOURCE}: mission", "env_cfg also takes a mission's name")
    how = {key: value for key, value in changes.items() if key in RUN_KEYS and value is not None}
    settings = {} if config is None else config.model_dump(mode="json", exclude_unset=True)
    settings |= {key: value for key, value in changes.items() if key not in RUN_KEYS}
    settings |= {} if seed is None else {"seeds": [seed]}
    run = _with_equal_shares(settings)
    if run.sweep is not None:
        hint = "give `hyperparameters` the values that the sweep found"
        raise BadInputError("a run without a sweep", f"sweep '{run.sweep}'", f"{SOURCE}: sweep", hint)
    seed = run.seeds[0]
    folder = user_path(output_dir, "output_dir").resolve() / "training" / name / f"seed-{seed}"
    mission, missions = (run.mission, {}) if env_cfg is None else _mission(env_cfg, folder)
    if problem := broken_start(run.start_from, set(), f"{SOURCE}: start_from"):
        raise problem
    recipe = training_recipe(run.model_copy(update={"mission": mission}), seed, missions)
    recipe, start = prepare_start(recipe, run.start_from)
    frozen = {
        "teacher": teacher_recipe(run.teacher, seed, {}, {}),
        "partners": partners_recipe(run.partners, seed, {}, {}),
    }
    recipe = recipe.model_copy(update=frozen)
    check_recipe(recipe, start)
    options = RunOptions.of(run, label=f"train {name} · seed {seed}", log_file=folder / LOG, start=start, **how)
    return TrainingSpec(recipe=recipe, folder=folder, options=options)


def _with_equal_shares(settings: Mapping[str, Any]) -> DAFTrainingConfig:
    """The configuration; unless it sets the number of environments, the processes share them equally."""
    given = settings.get("hyperparameters", {})
    if isinstance(given, Hyperparameters):
        given = given.model_dump(mode="json", exclude_unset=True)
    run = DAFTrainingConfig.from_dict({**settings, "hyperparameters": given}, source=SOURCE)
    if "num_envs" in given:
        return run
    share = -(-run.hyperparameters.num_envs // run.world_size)
    return DAFTrainingConfig.from_dict(
        {**settings, "hyperparameters": {**given, "num_envs": share * run.world_size}}, source=SOURCE
    )


def _mission(env_cfg: Any, folder: Path) -> tuple[str, dict[str, MissionConfig]]:
    """The mission's name, and its definition if only this call knows it."""
    if isinstance(env_cfg, str):
        return env_cfg, {}
    if isinstance(env_cfg, MissionConfig):
        return "mission", {"mission": env_cfg}
    path = folder / ENVIRONMENT  # JSON, because not every configuration survives a YAML round trip
    write_text(path, env_cfg.model_dump_json(indent=1))
    return str(path), {}
