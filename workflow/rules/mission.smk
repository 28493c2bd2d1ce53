# Episodes and mission analyses.
#
# REQUIRED INPUTS: the weights of the policies that have some
# OUTPUTS:         <out>/evaluations/{checkpoint}/{mission}/episodes-{shard}.parquet, episodes.parquet
#                  <out>/evaluations/check.json
#                  <out>/reports/missions/{mission}.json, {mission}.html
#                  <out>/reports/statistics/{mission}.json, on request
#                  <out>/replays/{checkpoint}/{mission}/{replay}.json.z, those requested
localrules:
    merge_episodes,
    check_evaluations,
    list_statistics,


rule missions:
    """Analyze all missions that are played."""
    input:
        mission_targets,


rule evaluate_policy:
    """Play one shard of a policy's episodes on a mission."""
    input:
        weights=weights_to_evaluate,
        interim_analyses=interim_analyses_before_shard,
    output:
        "<out>/evaluations/{checkpoint}/{mission}/episodes-{shard}.parquet",
    log:
        "<logs>/evaluations/{checkpoint}/{mission}/episodes-{shard}.log",
    benchmark:
        "<benchmarks>/evaluations/{checkpoint}/{mission}/episodes-{shard}.jsonl"
    conda:
        ENVIRONMENT
    threads: evaluation_cores
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        recipe=evaluation_params,
    script:
        "../../scripts/evaluate_policy.py"


rule merge_episodes:
    """Merge a policy's shards on a mission into one table."""
    input:
        shards=shards_of_episodes,
    output:
        "<out>/evaluations/{checkpoint}/{mission}/episodes.parquet",
    log:
        "<logs>/evaluations/{checkpoint}/{mission}/episodes.log",
    benchmark:
        "<benchmarks>/evaluations/{checkpoint}/{mission}/episodes.jsonl"
    conda:
        ENVIRONMENT
    params:
        stage_version=STAGE_VERSIONS["evaluate"],
    script:
        "../../scripts/merge_episodes.py"


rule check_evaluations:
    """End the run with an error if more episodes of a policy failed than declared; nothing else waits for it."""
    input:
        episodes=all_episodes,
    output:
        ensure("<out>/evaluations/check.json", non_empty=True),
    log:
        "<logs>/evaluations/check.log",
    benchmark:
        "<benchmarks>/evaluations/check.jsonl"
    conda:
        ENVIRONMENT
    params:
        max_failed_share=EXPERIMENT.evaluation.max_failed_share,
        stage_version=STAGE_VERSIONS["evaluate"],
    script:
        "../../scripts/check_evaluations.py"


rule analyze_mission:
    """Describe how each policy performs on a mission: success, reward, failure modes."""
    input:
        episodes=episodes_on_mission,
    output:
        analysis=ensure("<out>/reports/missions/{mission}.json", non_empty=True),
        page=report(
            "<out>/reports/missions/{mission}.html",
            caption="../report/mission.rst",
            category="Missions",
            subcategory="{mission}",
            labels={"result": "Mission page"},
        ),
    log:
        "<logs>/reports/missions/{mission}.log",
    benchmark:
        "<benchmarks>/reports/missions/{mission}.jsonl"
    conda:
        ENVIRONMENT
    params:
        mission=mission_params,
        page=mission_page_params,
        stage_version=STAGE_VERSIONS["analyze"],
    script:
        "../../scripts/analyze_mission.py"


rule list_statistics:
    """List the statistics that a mission's `success` expression may name, as its episodes reported them."""
    input:
        episodes=episodes_on_mission,
    output:
        ensure("<out>/reports/statistics/{mission}.json", non_empty=True),
    log:
        "<logs>/reports/statistics/{mission}.log",
    benchmark:
        "<benchmarks>/reports/statistics/{mission}.jsonl"
    conda:
        ENVIRONMENT
    params:
        stage_version=STAGE_VERSIONS["analyze"],
    script:
        "../../scripts/list_statistics.py"


rule replay_episode:
    """Write the best, median or worst episode of a policy on a mission for `cogames replay`."""
    input:
        episodes="<out>/evaluations/{checkpoint}/{mission}/episodes.parquet",
    output:
        ensure("<out>/replays/{checkpoint}/{mission}/{replay}.json.z", non_empty=True),
    log:
        "<logs>/replays/{checkpoint}/{mission}/{replay}.log",
    benchmark:
        "<benchmarks>/replays/{checkpoint}/{mission}/{replay}.jsonl"
    conda:
        ENVIRONMENT
    params:
        mission=mission_params,
        stage_version=STAGE_VERSIONS["analyze"],
    script:
        "../../scripts/replay_episode.py"
