# Training runs, one model per seed.
#
# REQUIRED INPUTS: <out>/sweeps/{sweep}/best.json if the run names a sweep
#                  model.safetensors, model.json of another run if it starts from one, learns from one, or plays beside one
# OUTPUTS:         <out>/training/{run}/seed-{seed}/model.safetensors, model.json, run.json, metrics.jsonl
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
