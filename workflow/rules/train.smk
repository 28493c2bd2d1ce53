# Training runs, one model per seed.
#
# REQUIRED INPUTS: <out>/sweeps/{sweep}/best.json if the run names a sweep
#                  model.safetensors, model.json of another run if it starts from one, learns from one, or plays beside one
# OUTPUTS:         <out>/training/{run}/seed-{seed}/model.safetensors, model.json, run.json, metrics.jsonl
#                  <out>/training/{run}/seed-{seed}/at-{share}/model.safetensors, model.json
rule train:
    """Train every seed of every run."""
    input:
        train_targets,


rule train_policy:
    """Train one seed of a run; after an interruption it resumes from its checkpoint."""
    input:
        best=sweep_before_training,
        start=start_of_training,
        teacher=teacher_of_training,
        partners=partners_of_training,
    output:
        model="<out>/training/{run}/seed-{seed}/model.safetensors",
        description=ensure("<out>/training/{run}/seed-{seed}/model.json", non_empty=True),
        run=ensure("<out>/training/{run}/seed-{seed}/run.json", non_empty=True),
        metrics=ensure("<out>/training/{run}/seed-{seed}/metrics.jsonl", non_empty=True),
    log:
        "<logs>/training/{run}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/training/{run}/seed-{seed}.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: training_cores
    resources:
        mem_mb=4000,
        runtime=240,
        nodes=training_machines,
        tasks=training_machines,
    params:
        recipe=training_params,
    script:
        "../../scripts/train_policy.py"


rule keep_weights:
    """Publish the weights that a run had after a share of its steps; if it has not kept them, train again up to there."""
    input:
        model="<out>/training/{run}/seed-{seed}/model.safetensors",
        best=sweep_before_training,
        start=start_of_training,
        teacher=teacher_of_training,
        partners=partners_of_training,
    output:
        model="<out>/training/{run}/seed-{seed}/at-{share}/model.safetensors",
        description=ensure("<out>/training/{run}/seed-{seed}/at-{share}/model.json", non_empty=True),
    log:
        "<logs>/training/{run}/seed-{seed}/at-{share}.log",
    benchmark:
        "<benchmarks>/training/{run}/seed-{seed}/at-{share}.jsonl"
    conda:
        ENVIRONMENT
    threads: training_cores
    resources:
        mem_mb=4000,
        runtime=240,
        nodes=training_machines,
        tasks=training_machines,
    params:
        recipe=training_params,
    script:
        "../../scripts/keep_weights.py"


# It may have to train.
snakemake_internals.set_resources(
    workflow, "keep_weights", snakemake_internals.profile_resources(workflow, "train_policy")
)
