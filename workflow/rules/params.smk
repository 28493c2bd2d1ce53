# What decides a rule's result, and nothing else: a change here reruns the rule, a change elsewhere does not.
from daf.config.recipes import STAGE_VERSIONS
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
    return PLAN.evaluation(wildcards.checkpoint, wildcards.mission, int(wildcards.shard)).to_dict()


def comparison_params(wildcards):
    return {**PLAN.comparison(wildcards.comparison).to_dict(), "stage_version": STAGE_VERSIONS["compare"]}


def mission_params(wildcards):
    recipe = PLAN.mission_recipe(PLAN.episodes[wildcards.mission].mission)
    return {"mission": recipe.to_dict(), "stage_version": STAGE_VERSIONS["analyze"]}


def package_params(wildcards):
    return {**EXPERIMENT.deployment.to_dict(), "stage_version": STAGE_VERSIONS["package"]}
