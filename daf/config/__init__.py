"""What an experiment is: typed, checked models of its file, and the recipes that they mean.

experiment       the experiment file: missions, policies, training, comparisons, deployment
sweep            the part of it that describes a sweep
hyperparameters  the PPO values of a training
strict_model     what all models share: unknown keys are errors, mistakes say where
recipes          what decides a result, and nothing that does not
docs             the schema and the tables of config/README.md, generated from the models
"""

from daf.config.experiment import (
    DAFComparisonConfig,
    DAFConfig,
    DAFDeploymentConfig,
    DAFTrainingConfig,
    EvaluationConfig,
    ExperimentConfig,
    MissionConfig,
    Normalization,
    PolicyConfig,
    Replay,
)
from daf.config.hyperparameters import Hyperparameters
from daf.config.strict_model import NAME_PATTERN, StrictModel
from daf.config.sweep import (
    STRATEGY_NAMES,
    CategoricalParameter,
    DAFSweepConfig,
    FloatParameter,
    HalvingConfig,
    IntParameter,
    StoppingConfig,
)

__all__ = [
    "NAME_PATTERN",
    "STRATEGY_NAMES",
    "CategoricalParameter",
    "DAFComparisonConfig",
    "DAFConfig",
    "DAFDeploymentConfig",
    "DAFSweepConfig",
    "DAFTrainingConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "FloatParameter",
    "HalvingConfig",
    "Hyperparameters",
    "IntParameter",
    "MissionConfig",
    "Normalization",
    "PolicyConfig",
    "Replay",
    "StoppingConfig",
    "StrictModel",
]
