"""The charts, table and sentences of a sweep say what its records say."""

import math

import pytest

from daf.charts import static
from daf.reporting.sweep_charts import MOST_CURVES, MOST_LINES, MOST_POINTS, charts_of
from daf.reporting.sweep_rows import duration, table_of, trial_rows, value_text
from daf.reporting.sweep_words import cost_in_words, counts_in_words, front_in_words
from daf.search.analysis import analyze
from daf.search.files import sweep_results
from daf.search.results import TrialResult
from tests.sweep_results import UPDATE, made_up_sweep, sweep_config


def shown(results, **changes):
    rows = trial_rows(results, **changes)
    return rows, charts_of(results, rows, analyze(results))


def trial(number, objective, **more):
    status = "completed" if objective is not None else "failed"
    return TrialResult.from_dict(
        {
            "trial": number,
            "status": status,
            "objective": objective,
            "hyperparameters": {"learning_rate": 10 ** -(1 + number / 10)},
            "seconds": 10.0 + number,
            "agent_steps": 81_920,
            **more,
        }
    )


def test_every_trial_has_a_state_with_its_step_or_reason():
    results = sweep_results(
        sweep_config(num_trials=4),
        [
            trial(0, 1.0),
            trial(1, 0.5, stopped_early="check 1: 0.5 is worse than the median", agent_steps=20_480),
            trial(2, None, reason="diverged: NaN"),
            TrialResult(trial=3, status="skipped", hyperparameters={}, reason="the budget is spent"),
        ],
    )
    rows = trial_rows(results)
    assert [(row.state, row.words, row.reason) for row in rows] == [
        ("completed", "completed", ""),
        ("pruned", "pruned at step 20,480", "check 1: 0.5 is worse than the median"),
        ("failed", "failed", "diverged: NaN"),
        ("skipped", "skipped", "the budget is spent"),
    ]
    assert counts_in_words(rows, None) == "4 trials: 1 completed, 1 pruned, 1 failed, 1 skipped"
    assert counts_in_words(rows, 9) == "4 of 9 trials so far: 1 completed, 1 pruned, 1 failed, 1 skipped"


def test_a_trial_of_a_lower_rung_was_pruned_unless_the_sweep_still_runs():
    halving = {"num_rungs": 2, "reduction_factor": 4, "bracket_size": 4}
    config = sweep_config(num_trials=4, early_stopping=None, halving=halving)
    results = sweep_results(config, [trial(0, 1.0, rung=1), trial(1, 3.0, agent_steps=20_480)])
    top, lower = trial_rows(results)
    assert (top.state, lower.state, lower.words) == ("completed", "pruned", "pruned at step 20,480")
    assert lower.reason == "others in rung 1 of 2 scored better"
    assert top.marks == ("best in search",)  # a higher rung counts more than a higher score
    _, running = trial_rows(results, finished=False)
    assert (running.state, running.words) == ("completed", "completed rung 1 of 2, at step 20,480")
    assert [row[0] for row in table_of(results, [top, lower]).rows] == [0, 1]


def test_the_winner_on_fresh_seeds_and_the_best_of_the_search_are_told_apart():
    results = made_up_sweep(40, num_finalists=3, confirmation_seeds=1)  # the third of the search wins
    rows, charts = shown(results)
    best = max((row for row in rows if row.result.completed), key=lambda row: row.result.objective)
    marked = {row.number: row.marks for row in rows if row.marks}
    assert marked == {results.best.trial: ("winner",), best.number: ("best in search",)}
    (history,) = charts["history"]
    emphasized = {row["trial"]: (row["series"], row["emphasis"]) for row in history.rows if row["emphasis"]}
    assert emphasized == {
        f"trial {results.best.trial}": ("winner", "winner"),
        f"trial {best.number}": ("best in search", "best"),
    }
    unconfirmed = trial_rows(made_up_sweep(40))
    assert [row.marks for row in unconfirmed if row.marks] == [("best in search",)]


def test_history_has_a_point_per_score_and_steps_at_every_improvement():
    results = made_up_sweep(60)
    rows, charts = shown(results)
    (history,) = charts["history"]
    scored = {row.number: row.result.objective for row in rows if row.result.objective is not None}
    assert {row["x"]: row["y"] for row in history.rows} == scored
    best, expected = -math.inf, []
    for number, objective in scored.items():
        if objective > best:
            best = objective
            expected.append({"x": number, "y": objective})
    assert history.steps[:-1] == expected
    assert history.steps[-1] == {"x": 59, "y": best}
    assert f"{60 - len(scored)} trials have no objective." in history.note


def test_learning_curves_are_the_checks_and_those_of_pruned_trials_are_dashed():
    results = made_up_sweep(30)
    rows, charts = shown(results)
    (curves,) = charts["curves"]
    assert curves.y.title == "mean reward per agent, held-out checks"
    for row in rows:
        points = [(point["x"], point["y"]) for point in curves.rows if point["line"] == row.name]
        if points:
            assert points == [(20_000 * (place + 1), value) for place, value in enumerate(row.result.curve)]
            assert {point["dashed"] for point in curves.rows if point["line"] == row.name} == {row.state == "pruned"}
    assert any(row["dashed"] for row in curves.rows)
    assert "point" not in curves.note


def test_a_trial_that_ended_after_its_first_check_is_a_point_and_the_note_says_so():
    results = sweep_results(sweep_config(num_trials=2), [trial(0, 2.0, curve=[1.0, 2.0]), trial(1, 0.5, curve=[0.5])])
    (curves,) = shown(results)[1]["curves"]
    assert curves.note.endswith("A large point is a trial with a single value, or with some close together (1 of 2).")


def test_without_checks_learning_curves_are_the_rewards_of_training():
    results = made_up_sweep(6, early_stopping=None)
    (curves,) = shown(results)[1]["curves"]
    assert curves.y.title == "reward per episode"
    first = [[point["x"], point["y"]] for point in curves.rows if point["line"] == "trial 0"]
    assert first == [list(point) for point in results.trials[0].learning_curve]


def test_slices_and_parallel_coordinates_have_the_parameters_on_their_scales():
    results = made_up_sweep(60)
    rows, charts = shown(results)
    (parallel,) = charts["parallel"]
    assert "Drag" not in parallel.note  # it stays without scripts
    axes = {axis.title: axis for axis in parallel.axes.values()}
    assert list(axes) == [
        "entropy_coef", "init_kwargs.memory", "init_kwargs.width", "learning_rate", "minibatch_size",
        "mean reward per agent",
    ]  # fmt: skip
    assert (axes["learning_rate"].scale, axes["learning_rate"].bounds) == ("log", (1e-4, 1e-1))
    assert (axes["entropy_coef"].scale, axes["init_kwargs.memory"].scale) == ("linear", "category")
    assert axes["minibatch_size"].categories == ["512", "1024", "2048", "4096"]
    by_name = {row["trial"]: row for row in parallel.rows}
    scored = [row for row in rows if row.result.objective is not None]
    assert len(by_name) == len(scored)
    for row in scored:
        values = row.result.hyperparameters
        drawn = by_name[row.name]
        assert drawn["p3"] == values["learning_rate"]
        assert drawn["p2"] == values.get("init_kwargs.width")
        assert drawn["p4"] == str(values["minibatch_size"])
        assert drawn["objective"] == row.result.objective
    slices = {chart.title: chart for chart in charts["slices"]}
    having = [row for row in scored if "init_kwargs.width" in row.result.hyperparameters]
    assert len(slices["init_kwargs.width"].rows) == len(having) < len(scored)
    assert f"does not apply to {len(scored) - len(having)} other trials" in slices["init_kwargs.width"].note
    assert list(slices) == list(analyze(results).importance or ())


def test_the_front_is_drawn_through_the_trials_that_no_cheaper_one_equals():
    results = sweep_results(sweep_config(num_trials=3), [trial(0, 1.0), trial(1, 0.5), trial(2, 2.0)])
    rows, charts = shown(results)
    (cost,) = charts["cost"]
    assert cost.steps == [{"x": 10.0, "y": 1.0}, {"x": 12.0, "y": 2.0}, {"x": 12.0, "y": 2.0}]
    assert {(row["x"], row["y"]) for row in cost.rows} == {(10.0, 1.0), (11.0, 0.5), (12.0, 2.0)}
    words = front_in_words(rows, analyze(results).pareto_trials)
    assert words == "Each of these scored better than every cheaper trial: trial 0 (10 s, 1.00), trial 2 (12 s, 2.00)."


def test_importance_has_its_interval():
    results = made_up_sweep(60)
    findings = analyze(results)
    (chart,) = shown(results)[1]["importance"]
    assert [(row["label"], row["value"]) for row in chart.rows] == list(findings.importance.items())
    for row in chart.rows:
        assert [row["low"], row["high"]] == findings.importance_intervals[row["label"]]
    assert shown(made_up_sweep(10))[1]["importance"] == []


def test_a_long_sweep_is_thinned_with_a_word_and_keeps_what_matters():
    results = made_up_sweep(4000, num_finalists=3)
    rows, charts = shown(results)
    (history,), (curves,), (parallel,) = charts["history"], charts["curves"], charts["parallel"]
    assert len(history.rows) <= MOST_POINTS + 40
    drawn = {row["x"] for row in history.rows}
    assert {step["x"] for step in history.steps[:-1]} <= drawn
    assert {row.number for row in rows if row.marks} <= drawn
    assert f"{len(history.rows):,} of the" in history.note
    assert len({row["line"] for row in curves.rows}) <= MOST_CURVES + 2
    assert "are drawn: the best 20" in curves.note
    assert len(parallel.rows) <= MOST_LINES + 2
    assert sum(len(chart.rows) for chart in charts["slices"]) < 2000
    assert len(table_of(results, rows).rows) == 4000


def test_steps_beyond_the_declared_ones_are_explained_and_shares_are_of_full_trials():
    full = sweep_results(sweep_config(num_trials=2, early_stopping=None), [trial(0, 1.0), trial(1, 2.0)])
    words = cost_in_words(full, trial_rows(full), analyze(full))
    assert words == [
        "The trials took 21 s in total, half of them 10 s or less each.",
        "They trained 163,840 agent-steps.",
        "A full trial trained 81,920 agent-steps, more than the 80,000 of `steps_per_trial`, because training ends "
        "with the update that reaches them.",
    ]
    pruned = trial(1, 2.0, stopped_early="check 1: worse", agent_steps=5 * UPDATE)
    half = sweep_results(sweep_config(num_trials=2), [trial(0, 1.0), pruned])
    sentence = "That is 62 % of what training all 2 trials in full would have taken."
    assert cost_in_words(half, trial_rows(half), analyze(half))[-1] == sentence


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.0, "0.0 s"), (0.2, "0.2 s"), (18.4, "18 s"), (60, "1 min 00 s"), (69, "1 min 09 s"),
     (125.2, "2 min 05 s"), (3599.6, "1 h 00 min"), (11_400, "3 h 10 min"), (4_000_000, "1,111 h 06 min")],
)  # fmt: skip
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0004853334, "0.0004853"), (1e-5, "0.00001"), (3e-9, "3e−9"), (-2.5, "−2.5"), (1024, "1024"), (True, "True"),
     (None, "None"), ("lstm", "lstm"), (12345.678, "12350"), (1.0, "1")],
)  # fmt: skip
def test_values_have_four_digits(value, words):
    assert value_text(value) == words


def test_numbers_of_trials_have_no_ticks_between_them():
    (history,) = shown(made_up_sweep(1))[1]["history"]
    assert history.x.is_whole
    axes = static.figure(history).axes[0]
    assert [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]] == [0]
    assert "the line" not in history.note
