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
    played = [f"{player}/{mission}" for mission in EPISODES.by_mission for player in EPISODES.players(mission)]
    reports = check_of_episodes() + [f"<out>/reports/missions/{mission}.html" for mission in EPISODES.by_mission]
    # Requested by name, so that deleted episodes are replaced even if the reports about them remain.
    reports += [f"<out>/evaluations/{folder}/episodes.parquet" for folder in played]
    return reports + [
        f"<out>/replays/{folder}/{replay}.json.z" for folder in played for replay in EXPERIMENT.evaluation.replays
    ]


def compare_targets(wildcards):
    return [
        f"<out>/comparisons/{comparison}/report.html" for comparison in EXPERIMENT.comparisons
    ] + check_of_episodes()


def tournament_targets(wildcards):
    reports = [f"<out>/tournaments/{tournament}/report.html" for tournament in EXPERIMENT.tournaments]
    return reports + ["<out>/tournaments/check.json"] if reports else []


def package_targets(wildcards):
    deployed = CHECKPOINTS.deployed()
    if deployed is None:
        return []
    return [f"<out>/deployment/{deployed.label}-{EXPERIMENT.deployment.version}.validation.json"]
