"""The commands on models: `windrow train` and `windrow score`.

Owns their arguments and what they print. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from windrow.errors import ConfigError

__all__ = ["register"]


def register(commands: Any) -> None:
    """Add the commands."""
    train = commands.add_parser("train", help="a model of normal running, from a file of measurements")
    train.add_argument(
        "data", type=Path, metavar="FILE", help="CSV, JSON lines or Parquet, each also gzipped"
    )
    train.add_argument("--target", required=True, metavar="COLUMN", help="what is predicted")
    train.add_argument(
        "--inputs", required=True, type=_list, metavar="A,B,C", help="what it is predicted from"
    )
    train.add_argument(
        "-o", "--out", required=True, type=Path, metavar="MODEL", help="the model's file (JSON)"
    )
    train.add_argument("--time", metavar="COLUMN", help="the time column (default: one of a common name)")
    train.add_argument(
        "--by", type=_list, default=[], metavar="A,B", help="key columns: a machine for each value"
    )
    train.add_argument("--method", choices=("auto", "ridge", "trees"), default="auto", help="what is fitted")
    train.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed, the same model")
    train.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    train.set_defaults(run=_train)

    score = commands.add_parser("score", help="hold a model against a file of measurements")
    score.add_argument("model", type=Path, metavar="MODEL", help="what `windrow train` wrote")
    score.add_argument(
        "data", type=Path, metavar="FILE", help="CSV, JSON lines or Parquet, each also gzipped"
    )
    score.add_argument("-o", "--out", type=Path, metavar="OUT", help="the scored rows (.parquet or .csv)")
    score.add_argument("--time", metavar="COLUMN", help="the time column (default: as in training)")
    score.add_argument(
        "--threshold", type=float, metavar="X", help="alarm beyond so many RMSE instead of the model's"
    )
    score.add_argument("--report", type=Path, metavar="PATH", help="write a report page here")
    score.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    score.set_defaults(run=_score)


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _train(arguments: argparse.Namespace) -> int:
    from windrow.model import rows
    from windrow.model.train import train
    from windrow.progress import Bar

    columns = rows.columns_of(arguments.data)
    time = rows.time_of(columns, arguments.time)
    wanted = [arguments.target, *arguments.inputs, *arguments.by]
    for name in wanted:
        if name not in columns:
            from windrow.config_problem import near

            raise ConfigError(
                f"`{arguments.data}` has no column {name!r}{near(name, columns, quoted=True)}: it has "
                f"{', '.join(columns)}"
            )
    with Bar("reading") as bar:
        table, unreadable = rows.read(
            arguments.data, wanted, time=time, numbers=[arguments.target], progress=bar
        )
    if unreadable:
        print(
            f"windrow: {unreadable:,} values or lines could not be read: they count as missing",
            file=sys.stderr,
        )
    with Bar("training") as bar:
        done = 0

        def progress(_: object) -> None:
            nonlocal done
            done += 1
            bar(done, max(done + 1, 40))

        model = train(
            table, target=arguments.target, inputs=arguments.inputs, by=arguments.by, method=arguments.method,
            seed=arguments.seed, progress=progress,
        )  # fmt: skip
    model.save(arguments.out)
    if arguments.json:
        print(json.dumps({"model": str(arguments.out), "rows": len(table), "report": model.report}))
    else:
        print(_told(model.report, model.target))
        print(f"  model: {arguments.out}")
    return 0


def _told(report: dict[str, Any], target: str) -> str:
    """Say how good a model is, for people."""
    honest, training = report["cross_validation"], report["training"]
    lines = [f"{target}: {report['method']}, {honest['rows']:,} rows"]
    lines.append(f"  {'':18}{'cross-validation':>18}{'training':>12}")
    for name, label in (("rmse", "RMSE"), ("mae", "MAE"), ("mape", "MAPE %"), ("r2", "R2")):
        lines.append(f"  {label:18}{_number(honest[name]):>18}{_number(training[name]):>12}")
    skill = report["skill"]
    lines.append(
        f"  better than the last value by {_percent(skill['last_value'])}, than the mean by {_percent(skill['mean'])}"
    )
    impact = sorted(report["impact_percent"].items(), key=lambda item: -item[1])
    lines.append("  impact: " + ", ".join(f"{name} {share:.0f} %" for name, share in impact))
    lines.append("  threshold    in target's unit    rows beyond    past events")
    lines += (
        f"  {one['rmse']:g} x RMSE{_number(one['value']):>20}{one['rows_beyond_percent']:>13.2f} %"
        f"{one['past_events']:>13}"
        for one in report["thresholds"]
    )
    return "\n".join([*lines, *(f"  note: {note}" for note in report["notes"])])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _score(arguments: argparse.Namespace) -> int:
    import windrow as wr
    from windrow.model.file import described
    from windrow.model.score import score
    from windrow.progress import Bar

    model = wr.Model.load(arguments.model)
    if arguments.out is not None and arguments.out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"`{arguments.out}` must end in .parquet or .csv")
    watch = described(model)["watch"]
    if arguments.threshold is not None:
        watch["threshold"] = arguments.threshold
    alarm = wr.Alarm(threshold=watch["threshold"], breaches=watch["breaches"], of=watch["of"])
    with Bar("scoring") as bar:
        scored = score(model, arguments.data, time=arguments.time, alarm=alarm, progress=bar)
    if arguments.out is not None:
        _write(scored.table, arguments.out)
    if arguments.report is not None:
        _report(arguments, scored, watch)
    if arguments.json:
        from windrow.cli import plain

        events = [plain(event) for event in scored.events]
        counts = {
            "rows": len(scored.table),
            "unreadable": scored.unreadable,
            "extrapolating": _marked(scored),
        }
        print(json.dumps(counts | {"events": events}))
    else:
        for event in scored.events:
            end = "still open" if event["end"] is None else f"{event['end']:%Y-%m-%d %H:%M}"
            print(
                f"{event['start']:%Y-%m-%d %H:%M} to {end}  peak {event['peak']:.1f}  {event['reason'] or ''}"
            )
    print(
        f"windrow: {len(scored.table):,} rows, {len(scored.events):,} events, {_marked(scored):,} rows extrapolating"
        + (f", {scored.unreadable:,} values or lines unreadable" if scored.unreadable else ""),
        file=sys.stderr,
    )
    return 0


def _marked(scored: Any) -> int:
    return int(sum(scored.table.column("extrapolating").to_pylist()))


def _write(table: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(table, path)
    else:
        from pyarrow import parquet

        parquet.write_table(table, path)


def _report(arguments: argparse.Namespace, scored: Any, watch: dict[str, Any]) -> None:
    from windrow.pipeline import Pipeline
    from windrow.report import write
    from windrow.run import History, Outcome

    config = Pipeline.from_dict(
        {
            "source": {"kind": "file", "path": str(arguments.data)},
            "detect": {"method": "residual", "model": str(arguments.model)},
            "alarm": {name: watch[name] for name in ("threshold", "breaches", "of")},
        }
    ).config
    rows = len(scored.table)
    outcome = Outcome(
        read=rows, counted=rows, judged=rows, events={event["id"]: event for event in scored.events}
    )
    write(arguments.report, config, outcome, History(verdicts=scored.verdicts))
