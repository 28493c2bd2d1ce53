# What decides a rule's result, and nothing else: a change here reruns the rule, a change elsewhere does not.
from daf.config.recipes import STAGE_VERSIONS, package_recipe
from daf.search.files import sweep_recipe


def sweep_params(wildcards):
    return sweep_recipe(PLAN.sweep(wildcards.sweep))


def trial_params(wildcards):
    return PLAN.sweep_plan(wildcards.sweep).trial_settings()


def rung_trial_params(wildcards):
    return PLAN.sweep_plan(wildcards.sweep).trial_settings(int(wildcards.rung))


def confirmation_params(wildcards):
    return PLAN.sweep_plan(wildcards.sweep).confirmation_settings(int(wildcards.seed))


def finalists_params(wildcards):
    sweep = PLAN.sweep(wildcards.sweep)
    return {"finalists": sweep.num_finalists, "seeds": sweep.confirmation_seeds, "seed": sweep.seed}


def training_params(wildcards):
    return PLAN.training(wildcards.run, int(wildcards.seed)).to_dict()


def evaluation_params(wildcards):
    return EPISODES.recipe(wildcards.checkpoint, wildcards.mission, int(wildcards.shard)).to_dict()


def comparison_params(wildcards):
    return EPISODES.comparison(wildcards.comparison).to_dict()


def mission_params(wildcards):
    return EPISODES.mission_recipe(wildcards.mission).to_dict()


def package_params(wildcards):
    return package_recipe(EXPERIMENT, CHECKPOINTS.deployed().recipe()).to_dict()


def deployment_params(wildcards):
    return EXPERIMENT.deployment.to_dict()
