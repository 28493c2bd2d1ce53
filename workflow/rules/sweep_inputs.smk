# Which files the rules of a sweep read. The logic is in daf/search/plan.py.


def of_sweep(wildcards, files):
    return [f"<out>/sweeps/{wildcards.sweep}/{file}" for file in files]


def results_seen_by_proposal(wildcards):
    """Trial n is proposed from the results of trials 0 … n - lag, so the DAG is static and nothing waits for whole rounds."""
    return of_sweep(wildcards, LEARNING.sweep_plan(wildcards.sweep).results_files(int(wildcards.trial)))


def trials_to_start_from(wildcards):
    file = LEARNING.warm_start(wildcards.sweep)
    return [file] if file else []


def start_of_trials(wildcards):
    return LEARNING.start_of_trials(wildcards.sweep)


def teacher_of_trials(wildcards):
    return LEARNING.teacher_of_trials(wildcards.sweep)


def partners_of_trials(wildcards):
    return LEARNING.partners_of_trials(wildcards.sweep)


def parts_of_block(wildcards):
    first, last = int(wildcards.first), int(wildcards.last)
    return of_sweep(wildcards, LEARNING.sweep_plan(wildcards.sweep).parts_of_block(first, last))


def results_before_rung(wildcards):
    rung, bracket = int(wildcards.rung), int(wildcards.bracket)
    return of_sweep(wildcards, LEARNING.sweep_plan(wildcards.sweep).results_before(rung, bracket))


def promotions_of_entry(wildcards):
    plan = LEARNING.sweep_plan(wildcards.sweep)
    return of_sweep(wildcards, [plan.promotions(int(wildcards.rung), int(wildcards.entry))])[0]


def results_of_sweep(wildcards):
    return of_sweep(wildcards, LEARNING.sweep_plan(wildcards.sweep).results())


def confirmations_of_sweep(wildcards):
    return of_sweep(wildcards, LEARNING.sweep_plan(wildcards.sweep).confirmations())
