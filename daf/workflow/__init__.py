"""The Python half of the Snakefile.

configuration        the experiment's files, and --config
plan                 the static plans of an experiment
checkpoint_plan      who plays: policies and their checkpoints
episode_plan         what is played: episodes, shards, interim analyses
tournament_plan      what is played in mixed teams: tournaments, matches, batches
learning_plan        what is learned: training runs and sweeps
earlier_checkpoints_plan  which weights training runs keep on their way
preflight            the check with the engine before the graph is built, once per content
engine_check         what that check examines
config_keys         where the configuration names a policy or a mission
shadowing            files of the user's that hide modules which the engine imports
code_changes         why results are made again, in words
rehearsal_plan       which policies run a user's code, and what each will have to do
validation_pools     whether policies that choose a run's weights also test it
targets              what a user may request, and errors for what no target can be
lock                 which run a lock of Snakemake belongs to; removes those that killed runs leave behind
runner               the Snakefile, run from Python
notebook             the progress of such a run in a notebook
script               what every program in scripts/ does around its one call, and running a script by hand
run_record           what a run leaves, so that others see what it does
submission           a run that was itself submitted to Slurm
status               what is done, running, failed and left
status_words         the same in words
run_history          the runs of an output folder, and what changed between them
estimates            time and disk of jobs, from those of earlier ones
first_estimates      their time before there is an earlier one
dry_run              what a run would make, and why, in words
start                Snakemake's command line, started with all cores and without long silences
snakemake_internals  undocumented names of Snakemake that are read
snakemake_hooks      those that are replaced: how scripts start, what is printed about them
job_starts           what happens when a job starts on this machine
forked_jobs          starting jobs as copies of one process
fork_server          that process, which has imported what jobs import
terminal             a line per job, and what a silent run waits for
closing              the last words of a run: verdicts, pages, time
rulegraph            the rule graph in the README
"""
