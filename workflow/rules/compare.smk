# Comparisons: first the statistics, then the page that shows them.
#
# REQUIRED INPUTS: <out>/evaluations/{checkpoint}/{mission}/episodes.parquet of all policies and missions
# OUTPUTS:         <out>/comparisons/{comparison}/summary.csv, pairwise.csv, aggregates.csv, ranks.csv, scores.csv,
#                  scores.parquet, marl_eval.json, learning_curves.csv, learning_curve_runs.csv,
#                  learning_curve_pairs.csv, comparison.json, report.html, checklist.md, figures/
localrules:
    run_interim_analysis,
    compare_policies,
    render_report,


rule compare:
    """Make all comparisons and their reports."""
    input:
        compare_targets,


rule run_interim_analysis:
    """Check whether a comparison that adds episodes until its verdict needs more."""
    input:
        episodes=shards_of_interim_analysis,
    output:
        "<out>/comparisons/{comparison}/interim-{interim}.json",
    log:
        "<logs>/comparisons/{comparison}/interim-{interim}.log",
    benchmark:
        "<benchmarks>/comparisons/{comparison}/interim-{interim}.jsonl"
    conda:
        ENVIRONMENT
    params:
        comparison=interim_params,
        stage_version=STAGE_VERSIONS["compare"],
    script:
        "../../scripts/run_interim_analysis.py"


rule compare_policies:
    """Compare policies with intervals and corrected tests."""
    input:
        episodes=episodes_to_compare,
        runs=runs_of_comparison,
    output:
        summary=report(
            "<out>/comparisons/{comparison}/summary.csv",
            caption="../report/summary.rst",
            category="Comparisons",
            subcategory="{comparison}",
            labels={"result": "Table of policies (CSV)"},
        ),
        pairwise=report(
            "<out>/comparisons/{comparison}/pairwise.csv",
            caption="../report/pairwise.rst",
            category="Comparisons",
            subcategory="{comparison}",
            labels={"result": "Table of pairs (CSV)"},
        ),
        comparison=ensure("<out>/comparisons/{comparison}/comparison.json", non_empty=True),
        aggregates="<out>/comparisons/{comparison}/aggregates.csv",
        ranks="<out>/comparisons/{comparison}/ranks.csv",
        scores=multiext("<out>/comparisons/{comparison}/scores", ".csv", ".parquet"),
        marl_eval="<out>/comparisons/{comparison}/marl_eval.json",
        curves="<out>/comparisons/{comparison}/learning_curves.csv",
        curve_runs="<out>/comparisons/{comparison}/learning_curve_runs.csv",
        curve_pairs="<out>/comparisons/{comparison}/learning_curve_pairs.csv",
    log:
        "<logs>/comparisons/{comparison}/compare.log",
    benchmark:
        "<benchmarks>/comparisons/{comparison}/compare.jsonl"
    conda:
        ENVIRONMENT
    threads: comparison_cores
    params:
        comparison=comparison_params,
        training=training_of_comparison,
        stage_version=STAGE_VERSIONS["compare"],
    script:
        "../../scripts/compare_policies.py"


rule render_report:
    """Draw the figures and write the page of a comparison."""
    input:
        comparison="<out>/comparisons/{comparison}/comparison.json",
        missions=mission_reports_of_comparison,
        metrics=metrics_of_comparison,
        runs=runs_of_comparison,
        sweeps=sweeps_of_comparison,
    output:
        page=report(
            "<out>/comparisons/{comparison}/report.html",
            caption="../report/comparison.rst",
            category="Comparisons",
            subcategory="{comparison}",
            labels={"result": "Comparison page"},
        ),
        checklist=report(
            "<out>/comparisons/{comparison}/checklist.md",
            caption="../report/checklist.rst",
            category="Comparisons",
            subcategory="{comparison}",
            labels={"result": "Checklist for reviewers (Markdown)"},
        ),
        figures=report(
            directory("<out>/comparisons/{comparison}/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="Comparisons",
            subcategory="{comparison}",
            labels={"result": "Figure {figure}"},
        ),
    log:
        "<logs>/comparisons/{comparison}/report.log",
    benchmark:
        "<benchmarks>/comparisons/{comparison}/report.jsonl"
    conda:
        ENVIRONMENT
    threads: comparison_cores
    params:
        title=EXPERIMENT.name,
        series=EPISODES.policies(),
        training=training_of_comparison,
        stage_version=STAGE_VERSIONS["compare"],
    script:
        "../../scripts/render_report.py"
