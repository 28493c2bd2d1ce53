# The files that the target of each stage requests. No rules here.


def sweep_targets(wildcards):
    return [f"<out>/sweeps/{sweep}/best.json" for sweep in EXPERIMENT.sweeps]


def train_targets(wildcards):
    return [
        f"<out>/training/{name}/seed-{seed}/model.safetensors"
        for name, run in EXPERIMENT.training.items()
        for seed in run.seeds
    ]


def mission_targets(wildcards):
    reports = [f"<out>/reports/missions/{mission}.html" for mission in EPISODES.by_mission]
    played = [f"{player}/{mission}" for mission in EPISODES.by_mission for player in EPISODES.players(mission)]
    # Requested by name, so that deleted episodes are replaced even if the reports about them remain.
    reports += [f"<out>/evaluations/{folder}/episodes.parquet" for folder in played]
    return reports + [
        f"<out>/replays/{folder}/{replay}.json.z" for folder in played for replay in EXPERIMENT.evaluation.replays
    ]


def compare_targets(wildcards):
    return [f"<out>/comparisons/{comparison}/report.html" for comparison in EXPERIMENT.comparisons]


def package_targets(wildcards):
    deployed = CHECKPOINTS.deployed()
    if deployed is None:
        return []
    return [f"<out>/deployment/{deployed.label}-{EXPERIMENT.deployment.version}.validation.json"]
