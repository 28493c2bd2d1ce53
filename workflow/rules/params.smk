# What decides a rule's result, and nothing else: a change here reruns the rule, a change elsewhere does not.
from daf.config.recipes import STAGE_VERSIONS
from daf.search.files import selection_recipe, sweep_recipe


def sweep_params(wildcards):
    return sweep_recipe(PLAN.sweep(wildcards.sweep))


def selection_params(wildcards):
    return selection_recipe(PLAN.sweep(wildcards.sweep))


def trial_params(wildcards):
    return PLAN.sweep_plan(wildcards.sweep).trial_settings().to_dict()


def rung_trial_params(wildcards):
    return PLAN.sweep_plan(wildcards.sweep).trial_settings(int(wildcards.rung)).to_dict()


def confirmation_params(wildcards):
    return PLAN.sweep_plan(wildcards.sweep).confirmation_settings(int(wildcards.seed)).to_dict()


def promotion_params(wildcards):
    return PLAN.sweep_plan(wildcards.sweep).promotion(int(wildcards.rung), int(wildcards.bracket)).to_dict()


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
