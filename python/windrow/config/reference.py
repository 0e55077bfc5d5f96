"""The reference file: every option of every section at its default, with a comment.

Owns only how it is written; what there is to write stands in `config`. `edge_configs/reference.toml` is this text, and
a test keeps it so: `python -m windrow.config.reference > edge_configs/reference.toml`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic.fields import FieldInfo

from windrow.config.sections import (
    Aggregate,
    AlarmSection,
    CommandSink,
    Decoded,
    DetectSection,
    FileSink,
    FileSource,
    FiltersSection,
    MqttSink,
    MqttSource,
    ObjectSink,
    ReportSection,
    Section,
    ServiceSection,
    ShadowSink,
    SimulateSource,
    StateSection,
    StdinSource,
    StdoutSink,
    WebhookSink,
    WindowSection,
)

__all__ = ["reference"]

HEAD = """\
# Every option of a windrow pipeline at its default. Lines that begin with `# ` and a name are options without a default
# (or of another kind of source or sink), shown with an example: take the `# ` away to use them.
# Durations are text: "500ms", "2s", "5m", "1h30m", "7d". `windrow check FILE` names every mistake at once.
"""


def reference() -> str:
    """Write the reference file, which is itself a config that can be checked."""
    parts = [HEAD]
    parts.append("\n".join(_section("[source]", FileSource, {"kind": "file", "path": "detections.jsonl.gz"})))
    parts.append(
        "\n".join(_section("[source]", StdinSource, {"kind": "stdin"}, hidden=True, only={"kind", "format"}))
    )
    parts.append(
        "\n".join(
            _section("[source]", MqttSource, {"kind": "mqtt"}, hidden=True, skip=set(Decoded.model_fields))
        )
    )
    parts.append("\n".join(_section("[source]", SimulateSource, {"kind": "simulate"}, hidden=True)))
    parts.append("\n".join(_section("[window]", WindowSection, {"every": "5m"}, skip={"aggregate"})))
    parts.append(
        "\n".join(_section("[[window.aggregate]]", Aggregate, {"name": "cars", "distinct": "track"}))
    )
    parts.append(
        "\n".join(_section("[detect]", DetectSection, {"measures": ["cars"]}, methods=True, skip={"filters"}))
    )
    parts.append("\n".join(_section("[detect.filters]", FiltersSection, {})))
    parts.append("\n".join(_section("[alarm]", AlarmSection, {})))
    parts.append("\n".join(_section("[state]", StateSection, {"path": "/var/lib/windrow"})))
    parts.append("\n".join(_section("[[sink]]", StdoutSink, {"kind": "stdout"})))
    parts.append("\n".join(_section("[[sink]]", FileSink, {"kind": "file", "path": "anomalies.jsonl"})))
    for sink in (CommandSink, MqttSink, ObjectSink, ShadowSink, WebhookSink):
        kind = get_args(sink.model_fields["kind"].annotation)[0]
        parts.append("\n".join(_section("[[sink]]", sink, {"kind": kind}, hidden=True)))
    parts.append("\n".join(_section("[report]", ReportSection, {"path": "report.html"})))
    parts.append("\n".join(_section("[service]", ServiceSection, {}, hidden=True)))
    return "\n\n".join(parts) + "\n"


def _section(
    head: str,
    model: type[Section],
    given: dict[str, Any],
    *,
    hidden: bool = False,
    methods: bool = False,
    only: set[str] | None = None,
    skip: set[str] = frozenset(),  # type: ignore[assignment]
) -> Iterator[str]:
    """One section's lines; a hidden one is a comment as a whole."""
    yield f"# {(model.__doc__ or '').strip()}"
    yield f"# {head}" if hidden else head
    for name, field in sorted(model.model_fields.items(), key=lambda item: item[0] != "kind"):
        if name in skip or (only is not None and name not in only):
            continue
        # What goes with one method only would be refused beside another.
        conditional = methods and (field.description or "").startswith(("residual:", "joint:"))
        conditional = conditional or name == "min_completeness"
        conditional = conditional or (
            model is Aggregate and name in ("min_hits", "count_on", "retain") and "distinct" not in given
        )
        yield from _option(name, field, given, hidden=hidden or conditional)


def _option(name: str, field: FieldInfo, given: dict[str, Any], *, hidden: bool) -> Iterator[str]:
    if name in given:
        value, shown = given[name], not hidden
    elif field.is_required() or field.default is None:
        value, shown = (field.examples or [""])[0], False
    else:
        value, shown = field.default, not hidden
    yield f"{'' if shown else '# '}{f'{name} = {_toml(value)}':<40}  # {field.description}"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_key(name)} = {_toml(one)}" for name, one in value.items()) + " }"
            if value
            else "{}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:_}"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "a").replace("-", "a").isalnum() else json.dumps(name)


if __name__ == "__main__":
    print(reference(), end="")
