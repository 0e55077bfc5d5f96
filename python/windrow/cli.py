"""The command line: `windrow demo | simulate | run | check | backtest | train | score | snapshot`.

Owns arguments, what is printed where, and exit codes: 0, 1 (failed while running), 2 (a bad call or config).
Results go to standard output, everything else to standard error. Whatever a command needs is imported when it runs,
so `windrow --version` is quick.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from windrow import __version__, cli_models
from windrow.errors import ConfigError, WindrowError

if TYPE_CHECKING:
    from windrow.demo import Shown
    from windrow.pipeline import Outcome

__all__ = ["main"]

#: Which extra brings what.
EXTRAS = {
    **dict.fromkeys(("paho", "prometheus_client", "pydantic", "urllib3"), "edge"),
    "pyarrow": "arrow",
    "plotly": "report",
    "sklearn": "train",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except ConfigError as error:
        return _fail(error, 2, getattr(parsed, "config", None))
    except (WindrowError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read the results has seen enough; Python must not complain about it once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return _fail(error, 1)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _fail(f"this needs {error.name}: pip install 'windrow[{extra}]'", 1)
    except KeyboardInterrupt:
        return 130
    return code


def _fail(error: object, code: int, config: str | None = None) -> int:
    """Say what is wrong, a line each, without a traceback."""
    problems = getattr(error, "problems", None)
    for problem in problems if problems is not None else (error,):
        place = f"{config}: " if problems is not None and config else ""
        print(f"windrow: error: {place}{problem}", file=sys.stderr)
    return code


def _seed(text: str) -> int:
    """Read a seed: a whole number that is not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number that is not negative, got {text!r}")
    return int(text)


def _days(text: str) -> float:
    """Read a length in days: ten years are more than any machine here holds."""
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= 3653:
        raise argparse.ArgumentTypeError(f"must be more than 0 and at most 3653, got {text!r}")
    return days


def _share(text: str) -> float:
    """Read a share: more than nothing and less than all."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, such as 0.7, got {text!r}")
    return share


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="windrow", description="Events to windows, expectations, residuals, alarms."
    )
    parser.add_argument("--version", action="version", version=f"windrow {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="both scenarios on simulated input")
    demo.add_argument("scenario", nargs="?", choices=("traffic", "motor"), help="one of them only")
    demo.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="FOLDER", help="where reports go (default: demo)"
    )
    demo.add_argument("--seed", type=_seed, default=7, metavar="N", help="of the simulator (default: 7)")
    demo.add_argument("--healthy", action="store_true", help="leave the faults out")
    demo.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    demo.set_defaults(run=_demo)

    simulate = commands.add_parser("simulate", help="simulated input to standard output")
    simulate.add_argument("scenario", choices=("traffic", "motor"), help="traffic: JSON lines; motor: CSV")
    simulate.add_argument(
        "--seed", type=_seed, default=7, metavar="N", help="the same seed, the same bytes (default: 7)"
    )
    simulate.add_argument("--healthy", action="store_true", help="leave the faults and their labels out")
    simulate.add_argument(
        "--days", type=_days, metavar="N", help="length (default: 21 for traffic, 14 for motor)"
    )
    simulate.add_argument(
        "--form",
        choices=("deepstream", "panorama"),
        default="deepstream",
        help="traffic: how messages are spelled",
    )
    simulate.set_defaults(run=_simulate)

    run = commands.add_parser("run", help="run the pipeline of a config file")
    run.add_argument("config", metavar="CONFIG", help="a TOML file")
    run.add_argument(
        "--input", metavar="PATH", help="a file instead of the config's source; - is standard input"
    )
    run.add_argument("--report", metavar="PATH", help="write a report page here")
    run.add_argument("--json", action="store_true", help="print one JSON object at the end, and nothing else")
    run.set_defaults(run=_run)

    check = commands.add_parser("check", help="all errors of a config at once")
    check.add_argument("config", metavar="CONFIG", help="a TOML file")
    check.add_argument(
        "--elsewhere", action="store_true",
        help="it is for another machine: leave out the certificates, secrets and programs that it names",
    )  # fmt: skip
    check.set_defaults(run=_check)

    backtest = commands.add_parser("backtest", help="teach on the oldest part, judge the rest, report")
    backtest.add_argument("config", metavar="CONFIG", help="a TOML file with a section [detect]")
    backtest.add_argument(
        "--input", metavar="PATH", help="a file instead of the config's source; - is standard input"
    )
    how = backtest.add_mutually_exclusive_group()
    how.add_argument(
        "--teach", type=_share, default=0.7, metavar="SHARE", help="of times, oldest first (default: 0.7)"
    )
    how.add_argument(
        "--walk-forward", action="store_true", help="judge everything, each row before it is learned"
    )
    backtest.add_argument(
        "--label",
        metavar="COLUMN",
        help="true, 1 or a name in rows that should be found: adds precision and recall",
    )
    backtest.add_argument("-o", "--report", metavar="PATH", help="write a report page here")
    backtest.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")
    backtest.set_defaults(run=_backtest)

    cli_models.register(commands)

    snapshot = commands.add_parser("snapshot", help="look into saved state")
    actions = snapshot.add_subparsers(metavar="ACTION", required=True)
    inspect = actions.add_parser("inspect", help="what a snapshot holds")
    inspect.add_argument("file", metavar="FILE")
    inspect.add_argument("--json", action="store_true", help="print one JSON object")
    inspect.set_defaults(run=_inspect)
    return parser


# ---- commands


def _demo(arguments: argparse.Namespace) -> int:
    from windrow.demo import PIPELINES, show
    from windrow.progress import Bar

    shown = []
    for scenario in [arguments.scenario] if arguments.scenario else PIPELINES:
        with Bar(f"demo {scenario}") as bar:
            one = show(scenario, arguments.out, seed=arguments.seed, healthy=arguments.healthy, progress=bar)
        if one.outcome.interrupted:
            raise KeyboardInterrupt
        shown.append(one)
        if not arguments.json:
            print(_table(one), flush=True)
    if arguments.json:
        print(json.dumps({one.scenario: _summary(one) for one in shown}, default=_text))
    return 0


def _table(shown: Shown) -> str:
    outcome = shown.outcome
    head = f"{shown.scenario}: {outcome.read:,} {'messages' if shown.scenario == 'traffic' else 'rows'}"
    if outcome.windows:
        head += f", {outcome.windows:,} windows"
    rows = [
        (
            "injected fault",
            "where",
            "from",
            "found",
            "after",
            "severity" if shown.scenario == "traffic" else "score",
        )
    ]
    for one in shown.findings:
        where = ", ".join(one.fault.series.values()) + ": " + ", ".join(one.fault.measures)
        begin = one.fault.start.strftime("%a %d %b %H:%M")
        delay = "" if one.delay is None else f"{one.delay.total_seconds() / 60:.0f} min"
        peak = "" if one.peak is None else f"{one.peak:.0f}"
        rows.append((one.fault.kind, where, begin, "yes" if one.events else "no", delay, peak))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    found = sum(bool(one.events) for one in shown.findings)
    summary = f"  {found} of {len(shown.findings)} faults found, {len(shown.false_alarms)} false alarms"
    if not shown.findings:
        lines, summary = [], f"  no fault injected, {len(shown.false_alarms)} false alarms"
    return "\n".join(
        [head, *lines, summary, f"  report: {shown.report}", f"  anomalies: {shown.anomalies}", ""]
    )


def _summary(shown: Shown) -> dict[str, Any]:
    return {
        "read": shown.outcome.read,
        "windows": shown.outcome.windows,
        "faults": [
            {
                "kind": one.fault.kind,
                "series": dict(one.fault.series),
                "measures": one.fault.measures,
                "start": one.fault.start,
                "end": one.fault.end,
                "found": bool(one.events),
                "delay_seconds": None if one.delay is None else one.delay.total_seconds(),
                "severity": one.severity,
                "peak": one.peak,
            }
            for one in shown.findings
        ],
        "false_alarms": list(shown.false_alarms),
        "report": str(shown.report),
        "anomalies": str(shown.anomalies),
    }


def _simulate(arguments: argparse.Namespace) -> int:
    from windrow.simulate import motor, traffic

    length = {} if arguments.days is None else {"days": arguments.days}
    if arguments.scenario == "traffic":
        world = traffic(seed=arguments.seed, healthy=arguments.healthy, **length)
        for block in world.messages(arguments.form):
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    else:
        sys.stdout.writelines(motor(seed=arguments.seed, healthy=arguments.healthy, **length).csv())
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from windrow.pipeline import Pipeline
    from windrow.progress import Bar

    pipeline = Pipeline.from_toml(arguments.config)
    with Bar("reading") as bar:
        outcome = pipeline.run(
            input=arguments.input, report=arguments.report, progress=bar, quiet=arguments.json
        )
    if arguments.json:
        print(json.dumps(_result(outcome), default=_text))
    if pipeline.config.service is not None:
        logging.getLogger("windrow").info(_counts(outcome).removeprefix("windrow: "))
    else:
        print(_counts(outcome), file=sys.stderr)
    return 0


def _result(outcome: Outcome) -> dict[str, Any]:
    return {
        "rows": outcome.read,
        "late": outcome.late,
        "rejected": outcome.rejected,
        "unreadable": outcome.unreadable,
        "windows": outcome.windows,
        "judged": outcome.judged,
        "interrupted": outcome.interrupted,
        "events": _finite(list(outcome.events.values())),
    }


def _counts(outcome: Outcome) -> str:
    parts = [f"{outcome.read:,} rows read"]
    parts += [
        f"{count:,} {name}"
        for name, count in (("late", outcome.late), ("rejected", outcome.rejected))
        if count
    ]
    if outcome.unreadable:
        parts.append(f"{outcome.unreadable:,} values or lines unreadable")
    if outcome.windows:
        parts.append(f"{outcome.windows:,} windows")
    if outcome.judged:
        still = sum(event["end"] is None for event in outcome.events.values())
        parts.append(f"{len(outcome.events):,} events" + (f" ({still} still open)" if still else ""))
    return f"windrow: {', '.join(parts)}{'; ended on request' if outcome.interrupted else ''}"


def _check(arguments: argparse.Namespace) -> int:
    from windrow.config.check import look
    from windrow.pipeline import Pipeline

    notes = [] if arguments.elsewhere else look(arguments.config)
    Pipeline.from_toml(arguments.config).check()
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print("ok")
    return 0


def _backtest(arguments: argparse.Namespace) -> int:
    from windrow.backtest.judge import backtest
    from windrow.backtest.summary import summary, table
    from windrow.config.check import load
    from windrow.pipeline import check_place
    from windrow.progress import Bar

    config = load(arguments.config)
    if arguments.report is not None:
        check_place(Path(arguments.report))
    with Bar("reading") as reading, Bar("judging") as judging:
        result = backtest(
            config,
            input=arguments.input,
            label=arguments.label,
            teach=arguments.teach,
            walk_forward=arguments.walk_forward,
            reading=reading,
            judging=judging,
        )
    if arguments.report is not None:
        from windrow.report.backtest import write

        write(arguments.report, result)
    if arguments.json:
        print(json.dumps(_finite(summary(result)), default=_text))
    else:
        print(table(result, arguments.config, arguments.report))
    return 0


def _inspect(arguments: argparse.Namespace) -> int:
    from windrow.state.store import inspect

    found = inspect(arguments.file)
    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:8}{value}")
    return 0


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row as JSON can hold it: times as text, no NaN."""
    return {
        name: _text(value) if hasattr(value, "isoformat") else _finite(value) for name, value in row.items()
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value


def _text(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else str(value)


if __name__ == "__main__":
    sys.exit(main())
