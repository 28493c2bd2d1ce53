"""The definition of an experiment: typed, validated models of its file, and the recipes derived from them.

experiment        the experiment file: missions, policies, training
sweep             the part of it that describes a sweep
comparison        the part of it that describes a comparison
tournament        the part of it that describes a tournament
deployment        the part of it that describes the package
licenses          licences of packages, with their texts
license_texts/    the texts
direction         whether more or less is better
non_inferiority   what a new version must show before it replaces another
normalization     reference scores of a comparison
reference_scores  reference scores from a file
learning_curves   what a comparison asks of learning curves
hyperparameters   the PPO hyperparameters of a training run
strict_model      the base of all models: unknown keys are errors, and every error names its place
mission           missions under a user's own names, and their recipes
curriculum        several missions in one training, and how their weights change
teacher           a policy that a training run imitates
trial_training    sweeps whose trials train as a run does
earlier_checkpoints  checkpoints of a training run among the policies of a tournament
partners          policies that share the missions of a training run
frozen_policy     a teacher or partner by content
start             trained weights that a training starts from
policy_reference  the forms in which Python code may name a policy
overrides         keys of the file, overridden on the command line
recipes           everything that determines a result, and nothing else
package_recipes   the same of a deployment package
match_recipes     the same of a match of a tournament
docs              the schema and the tables of config/README.md, generated from the models
"""

from daf.config.comparison import DAFComparisonConfig, Primary
from daf.config.curriculum import CurriculumConfig, CurriculumPhase, WeightedMission
from daf.config.deployment import DAFDeploymentConfig
from daf.config.direction import Direction, direction_sign
from daf.config.earlier_checkpoints import EarlierCheckpoints
from daf.config.experiment import (
    DAFConfig,
    DAFTrainingConfig,
    EvaluationConfig,
    ExperimentConfig,
    PolicyConfig,
    Replay,
)
from daf.config.hyperparameters import Hyperparameters
from daf.config.learning_curves import LearningCurvesConfig
from daf.config.mission import MissionConfig
from daf.config.non_inferiority import NonInferiorityConfig
from daf.config.normalization import Normalization
from daf.config.partners import HistoryConfig, PartnersConfig
from daf.config.strict_model import StrictModel
from daf.config.sweep import (
    STRATEGY_NAMES,
    CategoricalParameter,
    DAFSweepConfig,
    FloatParameter,
    HalvingConfig,
    IntParameter,
    StoppingConfig,
)
from daf.config.teacher import TeacherConfig
from daf.config.tournament import DAFTournamentConfig, TournamentFormat
from daf.system.validated import NAME_PATTERN

__all__ = [
    "NAME_PATTERN",
    "STRATEGY_NAMES",
    "CategoricalParameter",
    "CurriculumConfig",
    "CurriculumPhase",
    "DAFComparisonConfig",
    "DAFConfig",
    "DAFDeploymentConfig",
    "DAFSweepConfig",
    "DAFTournamentConfig",
    "DAFTrainingConfig",
    "Direction",
    "EarlierCheckpoints",
    "EvaluationConfig",
    "ExperimentConfig",
    "FloatParameter",
    "HalvingConfig",
    "HistoryConfig",
    "Hyperparameters",
    "IntParameter",
    "LearningCurvesConfig",
    "MissionConfig",
    "NonInferiorityConfig",
    "Normalization",
    "PartnersConfig",
    "PolicyConfig",
    "Primary",
    "Replay",
    "StoppingConfig",
    "StrictModel",
    "TeacherConfig",
    "TournamentFormat",
    "WeightedMission",
    "direction_sign",
]
