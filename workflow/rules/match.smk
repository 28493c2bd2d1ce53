# One batch of episodes of one match of a tournament per job.
#
# REQUIRED INPUTS: the weights of the policies that have some
# OUTPUTS:         <out>/tournaments/{tournament}/matches/{match}/batch-{batch}.parquet


rule play_match:
    """Play a batch of episodes of a match."""
    input:
        weights=weights_of_match,
        interim_analyses=interim_analysis_before_batch,
    output:
        "<out>/tournaments/{tournament}/matches/{match}/batch-{batch}.parquet",
    log:
        "<logs>/tournaments/{tournament}/matches/{match}/batch-{batch}.log",
    benchmark:
        "<benchmarks>/tournaments/{tournament}/matches/{match}/batch-{batch}.jsonl"
    conda:
        ENVIRONMENT
    threads: match_cores
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        recipes=match_params,
    script:
        "../../scripts/play_match.py"
