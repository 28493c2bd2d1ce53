# Several matches in one job, for clusters where a job costs more than a match: see `matches_per_job` in
# profiles/README.md. The files are byte for byte those of play_match; only the jobs that create them differ.
#
# REQUIRED INPUTS: the weights of the policies that have some
# OUTPUTS:         <out>/tournaments/{tournament}/matches/{match}/batch-{batch}.parquet


# Each of these rules plays matches, with the resources that a profile sets for play_match.
RESOURCES_OF_PLAY_MATCH = snakemake_internals.profile_resources(workflow, "play_match")

for tournament, found in TOURNAMENTS.tournaments.items():
    for job in TOURNAMENTS.jobs(tournament, MATCHES_PER_JOB):
        for batch in range(len(found.batches)):
            name = match_rule(tournament, job[0], batch)

            rule:
                name:
                    name
                input:
                    weights=weights_of_matches(tournament, job[0]),
                    interim_analyses=interim_analyses_before(tournament, batch),
                output:
                    [f"<out>/tournaments/{tournament}/matches/{match}/batch-{batch}.parquet" for match in job],
                log:
                    f"<logs>/tournaments/{tournament}/matches/{job[0]}/batch-{batch}.log",
                benchmark:
                    f"<benchmarks>/tournaments/{tournament}/matches/{job[0]}/batch-{batch}.jsonl"
                conda:
                    ENVIRONMENT
                threads: match_cores
                resources:
                    mem_mb=2000,
                    runtime=60,
                params:
                    recipes=[TOURNAMENTS.recipe(tournament, match, batch).to_dict() for match in job],
                script:
                    "../../scripts/play_match.py"

            snakemake_internals.set_resources(workflow, name, RESOURCES_OF_PLAY_MATCH)
