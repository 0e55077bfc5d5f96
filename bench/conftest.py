"""One core, CPU time, and after the run a table: each peer's time, its ratio to ours, the distance to the limit."""

import cores  # noqa: F401 (pins the process, before any engine starts its threads)
import floors
import pytest
import race as racing
import results

MEASURED = pytest.StashKey()
# Accuracy has commands of its own.
collect_ignore = ["accuracy"]


class Measured:
    """All that a session has measured."""

    def __init__(self):
        self.races = []
        self.facts = []

    def race(self, *arguments, **options):
        done = racing.race(*arguments, **options)
        self.races.append(done)
        return done

    def fact(self, workload, name, value, unit):
        self.facts.append(racing.Fact(workload, name, value, unit))


def pytest_addoption(parser):
    group = parser.getgroup("windrow benches")
    group.addoption("--save", action="store_true", help="write the table and the chart to bench/results")
    group.addoption("--check", action="store_true", help="fail where a floor isn't reached")
    group.addoption(
        "--save-instructions", action="store_true", help="make the counted instructions the reference"
    )


def pytest_configure(config):
    config.stash[MEASURED] = Measured()


@pytest.fixture(scope="session")
def measured(request):
    return request.config.stash[MEASURED]


@pytest.fixture(scope="session")
def race(measured):
    """Run the peers of a workload in turns; see `race.race`."""
    return measured.race


@pytest.fixture(scope="session")
def fact(measured):
    """Note a figure that is no time."""
    return measured.fact


@pytest.fixture(scope="session")
def limits():
    """What `make bench` builds from bench/native."""
    return pytest.importorskip("windrow_bench", reason="bench/native isn't built: run `make bench`")


def by_workload(measured):
    """W1 to W9, then what has no number."""

    def place(item):
        return not item.workload.startswith("W"), item.workload[:2]

    return sorted(measured.races, key=place), sorted(measured.facts, key=place)


def pytest_sessionfinish(session):
    config = session.config
    measured = config.stash[MEASURED]
    if config.getoption("--save") and measured.races:
        results.save(*by_workload(measured))
    if config.getoption("--check"):
        found = floors.verdicts(measured.races, measured.facts)
        if any(holds is False for holds, _ in found):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    measured = config.stash[MEASURED]
    if not measured.races and not measured.facts:
        return
    terminalreporter.write_line("")
    for line in results.lines(*by_workload(measured)):
        terminalreporter.write_line(line)
    terminalreporter.section(
        "floors" if config.getoption("--check") else "floors (bench-check fails by them)"
    )
    for holds, said in floors.verdicts(measured.races, measured.facts):
        word = {True: "holds", False: "FALLS SHORT", None: "-"}[holds]
        terminalreporter.write_line(f"{word:<12} {said}")
