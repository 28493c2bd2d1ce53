# Everything that determines a rule's result, and nothing else: a change here reruns the rule, a change elsewhere does
# not.
from daf.config.package_recipes import package_recipe
from daf.config.recipes import STAGE_VERSIONS
from daf.packaging.endpoints import served_state
from daf.search.recipe import selection_recipe, strategy_code, sweep_recipe
from daf.system.files import known_sha256
from daf.system.user_code import KEY
from daf.workflow.plan import mission_recipes


def environment_params(wildcards):
    demands = ("device", "output_dir", "min_free_disk_gb", "min_free_memory_gb")
    return {
        "missions": [mission.to_dict() for mission in mission_recipes(EXPERIMENT)],
        "demands": {key: value for key, value in EXPERIMENT.daf.to_dict().items() if key in demands},
    }


def sweep_params(wildcards):
    return sweep_recipe(LEARNING.sweep(wildcards.sweep))


def strategy_params(wildcards):
    """The code of the strategy, which the script imports by its path."""
    return {KEY: strategy_code(LEARNING.sweep(wildcards.sweep)).model_dump(mode="json")}


def selection_params(wildcards):
    return selection_recipe(LEARNING.sweep(wildcards.sweep))


def trial_params(wildcards):
    return LEARNING.sweep_plan(wildcards.sweep).trial_settings().to_dict()


def rung_trial_params(wildcards):
    return LEARNING.sweep_plan(wildcards.sweep).trial_settings(int(wildcards.rung)).to_dict()


def confirmation_params(wildcards):
    return LEARNING.sweep_plan(wildcards.sweep).confirmation_settings(int(wildcards.seed)).to_dict()


def promotion_params(wildcards):
    return LEARNING.sweep_plan(wildcards.sweep).promotion(int(wildcards.rung), int(wildcards.bracket)).to_dict()


def training_params(wildcards):
    return LEARNING.training(wildcards.run, int(wildcards.seed)).to_dict()


def evaluation_params(wildcards):
    return EPISODES.recipe(wildcards.checkpoint, wildcards.mission, int(wildcards.shard)).to_dict()


def comparison_params(wildcards):
    return EPISODES.comparison(wildcards.comparison).to_dict()


def interim_params(wildcards):
    """Without what an interim analysis does not read: if it changed, later episodes would be replayed."""
    return {key: value for key, value in comparison_params(wildcards).items() if key != "learning_curves"}


def match_params(wildcards):
    """A list, since a job may play several matches."""
    return [TOURNAMENTS.recipe(wildcards.tournament, wildcards.match, int(wildcards.batch)).to_dict()]


def tournament_params(wildcards):
    """With the names of policies and missions that tables contain."""
    return TOURNAMENTS.tournament(wildcards.tournament).config.to_dict()


def interim_tournament_params(wildcards):
    """As `interim_params`."""
    return {key: value for key, value in tournament_params(wildcards).items() if key != "roles"}


def tournament_series(wildcards):
    return TOURNAMENTS.labels(wildcards.tournament)


def training_of_comparison(wildcards):
    return PLANS.training_of_comparison(wildcards.comparison)


def mission_params(wildcards):
    return EPISODES.mission_recipe(wildcards.mission).to_dict()


def mission_page_params(wildcards):
    """What a mission's page knows of the experiment: all policies, which decide colours, and the replays to link."""
    return {"series": EPISODES.policies(), "replays": list(EXPERIMENT.evaluation.replays)}


def package_params(wildcards):
    return package_recipe(EXPERIMENT, CHECKPOINTS.packaged(wildcards.checkpoint).recipe()).to_dict()


def signing_key_params(wildcards):
    return key_by_content(EXPERIMENT.deployment.signing_key)


def verification_key_params(wildcards):
    """Null without a key: then packages need no signature."""
    return key_by_content(EXPERIMENT.deployment.verification_key)


def key_by_content(path):
    return None if path is None else {"path": str(path), "sha256": known_sha256(path)}


def deployment_params(wildcards):
    return EXPERIMENT.deployment.to_dict()


def deployment_mission(wildcards):
    return package_params(wildcards)["mission"]


def endpoint_state(suffix):
    """Changes when something else serves than the file says, so that the target does not mistake itself for done.

    A function of wildcards alone: Snakemake does not compare params that depend on the output.
    """

    def state(wildcards):
        record = f"{OUT}/deployment/{wildcards.checkpoint}-{wildcards.version}.{suffix}.json"
        return served_state(EXPERIMENT.deployment.endpoint, wildcards.checkpoint, record)

    return state
