"""Lines reach the terminal and the file once, operations are timed, progress is throttled."""

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from daf.errors import BadInputError
from daf.logging_config import DAFLogger, MetricsCollector, create_daf_logger
from daf.system.progress import format_duration, format_figure


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def make(tmp_path: Path, level: str = "info") -> tuple[DAFLogger, Clock, io.StringIO, Path]:
    clock, stream, path = Clock(), io.StringIO(), tmp_path / "logs" / "session.log"
    return create_daf_logger("test", level=level, log_file=path, stream=stream, clock=clock), clock, stream, path


def messages(text: str) -> list[str]:
    """Log lines without time and level."""
    return [line.split(maxsplit=2)[2] for line in text.splitlines() if line[:2] == "20"]


def test_the_example_of_the_specification(capsys: pytest.CaptureFixture[str]) -> None:
    logger = create_daf_logger("my_experiment")
    with logger.track_operation("training"):
        logger.info("Starting training...")
    logger.print_metrics_summary()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Starting training..." in shown.err
    assert "training   completed" in shown.err


def test_the_file_and_the_stream_hold_the_same_lines(tmp_path: Path) -> None:
    logger, _, stream, path = make(tmp_path)
    logger.info("hello", steps=120_000, rate=0.25, note="ä")
    logger.debug("hidden")
    assert messages(stream.getvalue()) == ["hello [steps=120,000 rate=0.25 note=ä]"]
    assert messages(path.read_text(encoding="utf-8")) == messages(stream.getvalue())
    assert path.read_text().startswith("# session test · started 20")


def test_levels(tmp_path: Path) -> None:
    logger, _, stream, _ = make(tmp_path, "warning")
    logger.info("no")
    logger.warning("yes")
    logger.error("also")
    assert messages(stream.getvalue()) == ["yes", "also"]
    with pytest.raises(BadInputError, match="did you mean 'warning'"):
        create_daf_logger("x", level="warnin")


def test_a_second_logger_of_the_name_does_not_double_lines(tmp_path: Path) -> None:
    make(tmp_path)
    logger, _, stream, path = make(tmp_path)
    logger.info("once")
    assert messages(stream.getvalue()) == ["once"]
    assert messages(path.read_text()) == ["once"]


def test_the_root_logger_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = list(logging.getLogger().handlers)
    logger, *_ = make(tmp_path)
    logger.error("not for the root")
    assert logging.getLogger().handlers == before
    assert caplog.records == []


def test_percent_signs_and_markup_are_text(tmp_path: Path) -> None:
    logger, _, stream, _ = make(tmp_path)
    logger.info("100 % of [bold]x[/bold] %s")
    assert messages(stream.getvalue()) == ["100 % of [bold]x[/bold] %s"]


def test_a_terminal_gets_rich_but_the_file_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal, path = Terminal(), tmp_path / "x.log"
    create_daf_logger("rich", stream=terminal, log_file=path).warning("[red]careful")
    assert "[red]careful" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in path.read_text()


def test_an_operation_is_timed_and_a_failure_is_passed_on(tmp_path: Path) -> None:
    logger, clock, stream, _ = make(tmp_path)
    with logger.track_operation("sweep", trials=3) as operation:
        clock.now += 65
        operation.record("reward", 2.0)
    assert (operation.status, operation.duration_s) == ("completed", 65.0)

    def fail() -> None:
        with logger.track_operation("train"):
            clock.now += 2
            raise ValueError("NaN in weights\nsecond line")

    with pytest.raises(ValueError, match="NaN in weights"):
        fail()
    clock.now += 100
    assert logger.operations[1].to_dict() == {
        "name": "train",
        "status": "failed",
        "duration_s": 2.0,
        "error": "ValueError: NaN in weights",
        "context": {},
    }
    assert messages(stream.getvalue()) == [
        "sweep started [trials=3]",
        "sweep completed in 1 min 05 s",
        "train started",
        "train failed after 2.0 s: ValueError: NaN in weights",
    ]
    assert "sweep.reward" in logger.metrics_summary()


def test_metrics_against_numbers_by_hand() -> None:
    metrics = MetricsCollector()
    for value in (2, 4, 4, 4, 5, 5, 7, 9):
        metrics.record("x", value)
    metrics.record("x", float("nan"))
    metrics.record("y", float("inf"))
    metrics.increment("n")
    metrics.increment("n", 2)
    x = metrics.summary()["x"]
    assert (x.count, x.total, x.mean, x.minimum, x.maximum, x.last) == (8, 40, 5, 2, 9, 9)
    assert x.std == pytest.approx((32 / 7) ** 0.5)
    assert metrics.summary()["n"].total == 3
    assert (metrics.not_finite("x"), metrics.not_finite("y")) == (1, 1)
    assert "y" not in metrics.summary()
    metrics.record("single", 1)
    assert metrics.summary()["single"].std is None


def test_the_progress_line_of_the_contract(tmp_path: Path) -> None:
    logger, clock, stream, _ = make(tmp_path)
    progress = logger.progress("train miner seed-1", 600_000, "agent-steps")
    progress.update(0)
    clock.now += 120_000 / 16_100
    progress.update(120_000, reward=5.2)
    first, second = messages(stream.getvalue())
    assert first == "train miner seed-1 · 0 of 600,000 agent-steps (0 %)"
    assert second == ("train miner seed-1 · 120,000 of 600,000 agent-steps (20 %) · 16,100/s · 30 s left · reward 5.2")


def test_an_unknown_figure_is_not_shown(tmp_path: Path) -> None:
    logger, _, stream, _ = make(tmp_path)
    progress = logger.progress("evaluate", 2, "episodes")
    progress.update(2)
    progress.done(mean_reward=None)  # all failed
    assert "None" not in stream.getvalue()
    assert messages(stream.getvalue())[-1].startswith("evaluate · 2 of 2 episodes (100 %)")


def test_progress_shows_the_first_the_last_and_one_line_per_interval(tmp_path: Path) -> None:
    logger, clock, stream, _ = make(tmp_path)
    progress = logger.progress("work", 100, "items")
    for done in range(1, 101):  # 0.25 s each: 25 s in all
        progress.update(done)
        clock.now += 0.25
    progress.done()
    progress.done()
    shown = [int(line.split()[2]) for line in messages(stream.getvalue())]
    assert shown == [1, 13, 25, 37, 49, 61, 73, 85, 97, 100]
    assert "took" in messages(stream.getvalue())[-1]


def test_the_speed_of_a_resumed_run_counts_only_its_own_work(tmp_path: Path) -> None:
    logger, clock, stream, _ = make(tmp_path)
    progress = logger.progress("train", 1000, "steps")
    progress.update(500)
    clock.now += 10
    progress.update(600)
    assert messages(stream.getvalue())[-1] == "train · 600 of 1,000 steps (60 %) · 10/s · 40 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.6, "1 h 00 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_figures() -> None:
    assert [format_figure(value) for value in (1234567, 0.123456, True, None, "a")] == [
        "1,234,567", "0.1235", "True", "None", "a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "module",
    [
        "logging_config",
        "output_manager",
        "environment_checks",
        "system.devices",
        "system.provenance",
        "deployment",
        "config.docs",
    ],
)
def test_public_modules_import_nothing_heavy(module: str) -> None:
    heavy = "{'torch', 'cogames', 'mettagrid', 'pandas', 'matplotlib', 'optuna', 'scipy', 'numpy'}"
    code = f"import sys, daf.{module}; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
