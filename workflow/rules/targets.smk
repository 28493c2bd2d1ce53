# The files that the target of each stage requests. No rules here.


def sweep_targets(wildcards):
    return [f"<out>/sweeps/{sweep}/{file}" for sweep in EXPERIMENT.sweeps for file in ("report.html", "best.json")]


def train_targets(wildcards):
    return [
        f"<out>/training/{name}/seed-{seed}/model.safetensors"
        for name, run in EXPERIMENT.training.items()
        for seed in run.seeds
    ]


def check_of_episodes():
    """The file that is missing, and the run's exit code 1, if too many episodes failed."""
    return ["<out>/evaluations/check.json"] if EPISODES.by_mission else []


def mission_targets(wildcards):
    reports = check_of_episodes() + [f"<out>/reports/missions/{mission}.html" for mission in EPISODES.by_mission]
    return reports + [
        f"<out>/replays/{checkpoint}/{mission}/{replay}.json.z"
        for mission in EPISODES.by_mission
        for checkpoint in EPISODES.players(mission)
        for replay in EXPERIMENT.evaluation.replays
    ]


def compare_targets(wildcards):
    return [
        f"<out>/comparisons/{comparison}/report.html" for comparison in EXPERIMENT.comparisons
    ] + check_of_episodes()


def package_targets(wildcards):
    deployed = CHECKPOINTS.deployed()
    if deployed is None:
        return []
    return [f"<out>/deployment/{deployed.label}-{EXPERIMENT.deployment.version}.validation.json"]
