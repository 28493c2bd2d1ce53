# Tournaments: the seats table of all matches, and what is concluded from it.
#
# REQUIRED INPUTS: <out>/tournaments/{tournament}/matches/{match}/batch-{batch}.parquet of all matches
# OUTPUTS:         <out>/tournaments/{tournament}/interim-{interim}.json, seats.parquet, results.json, tables (*.csv), report.html, figures/
#                  <out>/tournaments/check.json
localrules:
    merge_seats,
    check_tournaments,
    analyze_interim_seats,
    analyze_tournament,
    render_tournament,


rule tournaments:
    """Play all tournaments and make their reports."""
    input:
        tournament_targets,


rule analyze_interim_seats:
    """Check whether a tournament that adds episodes until its question is settled needs more."""
    input:
        batches=batches_of_interim_analysis,
    output:
        "<out>/tournaments/{tournament}/interim-{interim}.json",
    log:
        "<logs>/tournaments/{tournament}/interim-{interim}.log",
    benchmark:
        "<benchmarks>/tournaments/{tournament}/interim-{interim}.jsonl"
    conda:
        ENVIRONMENT
    params:
        tournament=interim_tournament_params,
        stage_version=STAGE_VERSIONS["rate"],
    script:
        "../../scripts/analyze_interim_seats.py"


rule merge_seats:
    """Merge the episodes of all matches into one table."""
    input:
        batches=batches_of_tournament,
    output:
        "<out>/tournaments/{tournament}/seats.parquet",
    log:
        "<logs>/tournaments/{tournament}/seats.log",
    benchmark:
        "<benchmarks>/tournaments/{tournament}/seats.jsonl"
    conda:
        ENVIRONMENT
    params:
        stage_version=STAGE_VERSIONS["play"],
    script:
        "../../scripts/merge_seats.py"


rule check_tournaments:
    """End the run with an error if a policy made more episodes fail than declared; nothing else waits for it."""
    input:
        seats=seats_of_tournaments,
    output:
        ensure("<out>/tournaments/check.json", non_empty=True),
    log:
        "<logs>/tournaments/check.log",
    benchmark:
        "<benchmarks>/tournaments/check.jsonl"
    conda:
        ENVIRONMENT
    params:
        max_failed_share=EXPERIMENT.evaluation.max_failed_share,
        stage_version=STAGE_VERSIONS["play"],
    script:
        "../../scripts/check_tournaments.py"


rule analyze_tournament:
    """Value every candidate in mixed teams, and rank the field."""
    input:
        seats="<out>/tournaments/{tournament}/seats.parquet",
    output:
        results=ensure("<out>/tournaments/{tournament}/results.json", non_empty=True),
        values=report(
            "<out>/tournaments/{tournament}/values.csv",
            caption="../report/values.rst",
            category="Tournaments",
            subcategory="{tournament}",
            labels={"result": "Table of values (CSV)"},
        ),
        seat_values="<out>/tournaments/{tournament}/seat_values.csv",
        contributions="<out>/tournaments/{tournament}/contributions.csv",
        cross_play="<out>/tournaments/{tournament}/cross_play.csv",
        rankings="<out>/tournaments/{tournament}/rankings.csv",
        pairs="<out>/tournaments/{tournament}/pairs.csv",
        failures="<out>/tournaments/{tournament}/failures.csv",
        line_ups="<out>/tournaments/{tournament}/line_ups.csv",
        league="<out>/tournaments/{tournament}/league.csv",
    log:
        "<logs>/tournaments/{tournament}/results.log",
    benchmark:
        "<benchmarks>/tournaments/{tournament}/results.jsonl"
    conda:
        ENVIRONMENT
    params:
        tournament=tournament_params,
        stage_version=STAGE_VERSIONS["rate"],
    script:
        "../../scripts/analyze_tournament.py"


rule render_tournament:
    """Draw the figures and write the page of a tournament."""
    input:
        results="<out>/tournaments/{tournament}/results.json",
        seats="<out>/tournaments/{tournament}/seats.parquet",
    output:
        page=report(
            "<out>/tournaments/{tournament}/report.html",
            caption="../report/tournament.rst",
            category="Tournaments",
            subcategory="{tournament}",
            labels={"result": "Tournament page"},
        ),
        figures=report(
            directory("<out>/tournaments/{tournament}/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="Tournaments",
            subcategory="{tournament}",
            labels={"result": "Figure {figure}"},
        ),
    log:
        "<logs>/tournaments/{tournament}/report.log",
    benchmark:
        "<benchmarks>/tournaments/{tournament}/report.jsonl"
    conda:
        ENVIRONMENT
    params:
        title=EXPERIMENT.name,
        series=tournament_series,
        stage_version=STAGE_VERSIONS["rate"],
    script:
        "../../scripts/render_tournament.py"
