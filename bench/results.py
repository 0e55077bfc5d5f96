"""The table and the chart of a run, with the machine and the versions that it was made on.

Owns how figures look. `save` writes them to bench/results, where they are committed from a quiet machine.
"""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import windrow
from race import Fact, Race

FOLDER = Path(__file__).parent / "results"
PEERS = ("polars", "duckdb", "pandas", "pyarrow", "numpy", "numba", "orjson", "river")


def machine() -> str:
    """The processor, no more: names of hosts are nobody's business."""
    info = Path("/proc/cpuinfo")
    model = platform.machine()
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = f"{names[0]}, {platform.machine()}" if names else model
    return f"{model}, one core of it"


def versions() -> str:
    found = [f"Python {platform.python_version()}", f"windrow {windrow.__version__}"]
    for name in PEERS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def ordered(race: Race) -> list[tuple[str, float]]:
    return sorted(((peer, race.median(peer)) for peer in race.rounds), key=lambda item: item[1])


def distance(race: Race) -> str | None:
    ratio = race.ratio(race.limit) if race.limit else None
    return f"{1 / ratio:.1f} x the limit ({race.limit})" if ratio else None


def lines(races: list[Race], facts: list[Fact]) -> list[str]:
    """For a terminal."""
    found = []
    for race in races:
        found.append(f"{race.workload}: CPU ns a {race.unit}, and its ratio to ours")
        ours = race.median("windrow")
        for peer, taken in ordered(race):
            ratio = f"{taken / ours:10.2f} x" if ours else ""
            found.append(f"  {peer:<44} {taken:10.2f} {ratio}")
        if said := distance(race):
            found.append(f"  {said}")
        found.append("")
    return found + [f"{fact.workload}: {fact.name}: {fact.value:,.4g} {fact.unit}" for fact in facts]


def table(races: list[Race], facts: list[Fact]) -> str:
    """In Markdown."""
    found = [
        "# Figures of one run",
        "",
        f"{machine()}. {versions()}. Medians of several rounds, all peers in turns; CPU time, not wall time.",
        "",
        "![All workloads, beside their peers](chart.png)",
    ]
    for race in races:
        ours = race.median("windrow")
        found += ["", f"## {race.workload}", "", f"| | ns a {race.unit} | ratio to ours |", "|---|---:|---:|"]
        for peer, taken in ordered(race):
            name = f"**{peer}**" if peer == "windrow" else peer
            ratio = f"{taken / ours:.2f}" if ours else ""
            found.append(f"| {name} | {taken:.2f} | {ratio} |")
        if said := distance(race):
            found += ["", f"Distance: {said}."]
    if facts:
        found += ["", "## Figures that are no times", "", "| | | |", "|---|---|---:|"]
        found += [f"| {fact.workload} | {fact.name} | {fact.value:,.4g} {fact.unit} |" for fact in facts]
    return "\n".join(found) + "\n"


def chart(races: list[Race], path: Path) -> None:
    """A panel a workload: bars of nanoseconds, shortest first, on one scale of powers of ten."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shortest = 0.3
    longest = max(taken for race in races for _, taken in ordered(race))
    columns = 2
    rows = -(-len(races) // columns)
    height = max(len(race.rounds) for race in races) * 0.3
    figure, axes = plt.subplots(rows, columns, figsize=(14, height * rows), squeeze=False)
    for axis in axes.flat[len(races) :]:
        axis.set_axis_off()
    for axis, race in zip(axes.flat, races, strict=False):
        bars = ordered(race)[::-1]
        axis.barh(
            [peer for peer, _ in bars],
            [max(taken, shortest) - shortest for _, taken in bars],
            left=shortest,
            color=[colour(race, peer) for peer, _ in bars],
            height=0.7,
        )
        axis.set_xscale("log")
        axis.set_xlim(shortest, longest * 3)
        axis.set_title(f"{race.workload} (CPU ns a {race.unit})", fontsize=9, loc="left")
        axis.tick_params(labelsize=7)
        for at, (_, taken) in enumerate(bars):
            said = f"{taken:,.0f}" if taken >= 100 else f"{taken:.3g}"
            axis.text(max(taken, shortest) * 1.1, at, said, va="center", fontsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def colour(race: Race, peer: str) -> str:
    """Ours, the limit, or somebody else."""
    if peer == race.limit:
        return "#9aa5b1"
    return "#d9822b" if peer.startswith("windrow") or "windrow" not in race.rounds else "#4c78a8"


def save(races: list[Race], facts: list[Fact]) -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "table.md").write_text(table(races, facts), "utf-8")
    chart(races, FOLDER / "chart.png")
