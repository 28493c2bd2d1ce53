"""The command `daf`: thin over the workflow's targets and DAF's public functions.

Modules are imported when their subcommand runs, since help, completion and status should answer at once.

main        the parser, the help, and which function answers
parsing     errors of the parser, in four parts
completion  what a shell completes
init        a small experiment to start from
run         runs the workflow, here or as a Slurm job, and stops it
detach      the workflow itself as a Slurm job
folders     which output folder and experiment a command is about
check       explains an experiment without running it
status      what runs, and opens the pages
status_answer  what `daf status --json` prints
logs        what jobs say
results     the answers, in the terminal
index       brings the page of an experiment up to date
catalogue   missions, policies and statistics
tables      a comparison of a table of scores
release     deploys a package, and returns to an earlier one
clean       removes what finished runs no longer need
"""
