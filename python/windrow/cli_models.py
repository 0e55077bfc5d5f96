"""The commands on models: `windrow train`, `windrow score`, `windrow models`.

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
    train.add_argument("--target", metavar="COLUMN", help="what is predicted")
    train.add_argument("--inputs", type=_list, metavar="A,B,C", help="what it is predicted from")
    train.add_argument(
        "--continue", dest="like", type=Path, metavar="MODEL", help="fit this model anew on these rows"
    )
    train.add_argument("-o", "--out", type=Path, metavar="MODEL", help="the model's file (JSON)")
    train.add_argument("--time", metavar="COLUMN", help="the time column (default: one of a common name)")
    train.add_argument(
        "--by", type=_list, default=[], metavar="A,B", help="key columns: a machine for each value"
    )
    train.add_argument("--where", action="append", default=[], metavar="CONDITION",
                       help='keep only rows that hold it, as "torque > 0"; may be given again')  # fmt: skip
    train.add_argument("--between", metavar="START,END", help="keep only rows of this stretch of time")
    train.add_argument("--drop", action="append", default=[], metavar="START,END",
                       help="leave this stretch of time out; may be given again")  # fmt: skip
    train.add_argument("--every", metavar="LENGTH", help="put windows of this length in the place of rows")
    train.add_argument("--method", choices=("auto", "ridge", "trees"), default="auto", help="what is fitted")
    train.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed, the same model")
    train.add_argument("--look", action="store_true", help="only look at the columns")
    train.add_argument("--report", type=Path, metavar="PATH", help="write a report page here")
    train.add_argument("--registry", type=Path, metavar="FOLDER", help="also keep the model there, as --type")
    train.add_argument("--type", metavar="NAME", help="the type of machine in the registry")
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
    score.add_argument(
        "--drift",
        metavar="LENGTH",
        help='tell of drift over stretches of this length (default: 7d), or "off"',
    )
    score.add_argument(
        "--report",
        type=Path,
        nargs="?",
        const=Path("report.html"),
        metavar="PATH",
        help="write a report page here (default: report.html)",
    )
    score.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    score.set_defaults(run=_score)

    models = commands.add_parser("models", help="a folder of models, one current for each type of machine")
    actions = models.add_subparsers(metavar="ACTION", required=True)
    for name, what in (
        ("list", "all versions"), ("show", "one version's report"), ("promote", "make a version the current one"),
        ("rollback", "go back to the one that was current before"),
    ):  # fmt: skip
        action = actions.add_parser(name, help=what)
        action.add_argument("folder", type=Path, metavar="FOLDER")
        if name != "list":
            action.add_argument("type", metavar="TYPE", help="of machine")
        if name in ("show", "promote"):
            optional: dict[str, Any] = {"nargs": "?"} if name == "show" else {}
            action.add_argument("version", type=int, metavar="VERSION", **optional)
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=_models, action=name)


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


# ---- train


def _train(arguments: argparse.Namespace) -> int:
    from windrow.model.curate import aggregated, kept, times_of
    from windrow.model.look import look, told
    from windrow.model.train import train
    from windrow.progress import Bar

    like = None
    if arguments.like is not None:
        import windrow as wr

        if arguments.every is not None:
            raise ConfigError(
                "`--every` can't be given with `--continue`: the model's rows are what they were"
            )
        like = wr.Model.load(arguments.like)
        arguments.target, arguments.inputs, arguments.by = like.target, list(like.inputs), list(like.by)
    elif arguments.target is None or not arguments.inputs:
        raise ConfigError("give `--target` and `--inputs`, or a model by `--continue`")
    if arguments.out is None and arguments.registry is None and not arguments.look:
        raise ConfigError("where does the model go? give -o MODEL, or --registry FOLDER --type NAME")
    if (arguments.registry is None) != (arguments.type is None):
        raise ConfigError("`--registry` and `--type` go together")
    table = _read(arguments)
    table = kept(table, where=arguments.where, between=arguments.between, drop=arguments.drop)
    found = look(table, target=arguments.target, times=times_of(table))
    if not arguments.json:
        print(f"{arguments.data}: {found['rows']:,} rows\n{told(found)}", flush=True)
    if arguments.look:
        if arguments.json:
            print(json.dumps(found))
        return 0
    target, inputs, made = arguments.target, arguments.inputs, {}
    if arguments.every is not None:
        made = {"every": arguments.every, "columns": [target, *inputs]}
        table = aggregated(
            table.select(["time", *arguments.by, target, *inputs]), arguments.every, by=arguments.by
        )
        target = f"{target}_mean"
        inputs = [name for name in table.column_names if name.rpartition("_")[0] in inputs or name in inputs]
    with Bar("training") as bar:
        done = 0

        def progress(tried: Any) -> None:
            nonlocal done
            done += 1
            if tried.name.startswith("preview") and not arguments.json:
                print(f"{tried.name}: RMSE {tried.rmse:.4g}", file=sys.stderr)
            bar(done, max(done + 1, 40))

        model = train(
            table, target=target, inputs=inputs, by=arguments.by, method=arguments.method, seed=arguments.seed,
            progress=progress, like=like,
        )  # fmt: skip
    model = _marked_as(model, made)
    places = _kept_in(model, arguments)
    if arguments.report is not None:
        from windrow.model.page import write

        write(arguments.report, model)
        places["report"] = str(arguments.report)
    if arguments.json:
        print(json.dumps(places | {"rows": len(table), "look": found, "report": model.report}))
    else:
        print(_told(model.report, model.target))
        print("\n".join(f"  {name}: {place}" for name, place in places.items()))
    return 0


def _read(arguments: argparse.Namespace) -> Any:
    """Read all columns of the file; what is asked for must be among them."""
    from windrow.config.problem import near
    from windrow.model import rows
    from windrow.progress import Bar

    columns = rows.columns_of(arguments.data)
    time = rows.time_of(columns, arguments.time)
    for name in (time, arguments.target, *arguments.inputs, *arguments.by):
        if name not in columns:
            raise ConfigError(
                f"`{arguments.data}` has no column {name!r}{near(name, columns, quoted=True)}: it has "
                f"{', '.join(columns)}"
            )
    with Bar("reading") as bar:
        table, unreadable = rows.read(
            arguments.data, columns, time=time, numbers=[arguments.target], progress=bar
        )
    if unreadable:
        print(
            f"windrow: {unreadable:,} values or lines could not be read: they count as missing",
            file=sys.stderr,
        )
    return table


def _marked_as(model: Any, made: dict[str, Any]) -> Any:
    """Write into the model how its rows were made."""
    from windrow.model.file import described, sealed

    if not made:
        return model
    what = described(model)
    what["made"] |= made
    return sealed(what)


def _kept_in(model: Any, arguments: argparse.Namespace) -> dict[str, str]:
    from windrow.model.registry import Registry

    places = {}
    if arguments.out is not None:
        model.save(arguments.out)
        places["model"] = str(arguments.out)
    if arguments.registry is not None:
        version = Registry(arguments.registry).add(arguments.type, model)
        places["registry"] = f"{arguments.registry}, version {version} of {arguments.type}"
    return places


def _told(report: dict[str, Any], target: str) -> str:
    """Say how good a model is, for people."""
    honest, training = report["cross_validation"], report["training"]
    lines = [f"{target}: {report['method']}, {honest['rows']:,} rows"]
    lines.append(f"  {'':18}{'cross-validation':>18}{'training':>12}")
    for name, label in (("rmse", "RMSE"), ("mae", "MAE"), ("mape", "MAPE %"), ("r2", "R2")):
        lines.append(f"  {label:18}{_number(honest[name]):>18}{_number(training[name]):>12}")
    if "before" in report:
        lines.append(f"  the model before had an RMSE of {_number(report['before']['rmse'])} on these rows")
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


# ---- score


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
        scored = score(
            model, arguments.data, time=arguments.time, alarm=alarm, drift=arguments.drift, progress=bar
        )
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
            kind = "drift" if event["kind"] == "drift" else "peak"
            print(
                f"{event['start']:%Y-%m-%d %H:%M} to {end}  {kind} {event['peak']:.1f}  {event['reason'] or ''}"
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
    from windrow.report.run import write
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


# ---- models


def _models(arguments: argparse.Namespace) -> int:
    from windrow.model.registry import Registry

    registry = Registry(arguments.folder)
    if arguments.action == "list":
        rows = registry.rows()
        if arguments.json:
            print(json.dumps(rows))
        for row in [] if arguments.json else rows:
            mark = "*" if row["current"] else " "
            print(
                f"{mark} {row['type']}  version {row['version']}  {row['target']}  RMSE {row['rmse']:.4g}  "
                f"{row['method']}, {row['rows']:,} rows to {row['to']}"
            )
        return 0
    if arguments.action == "show":
        model = registry.load(arguments.type, arguments.version)
        print(json.dumps(model.report) if arguments.json else _told(model.report, model.target))
        return 0
    if arguments.action == "promote":
        registry.promote(arguments.type, arguments.version)
        version = arguments.version
    else:
        version = registry.rollback(arguments.type)
    if arguments.json:
        print(json.dumps({"type": arguments.type, "current": version}))
    else:
        print(f"{arguments.type}: version {version} is current")
    return 0
