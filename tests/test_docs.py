"""Every public name is documented, and every example in a docstring runs and prints what it says."""

import doctest
import inspect

import pytest
import windrow as wr

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def documented():
    for name in wr.__all__:
        value = getattr(wr, name)
        if isinstance(value, str):
            continue
        yield name, value
        if inspect.isclass(value) and not issubclass(value, Exception):
            for member, attribute in vars(value).items():
                if not member.startswith("_") and not inspect.ismemberdescriptor(attribute):
                    yield f"{name}.{member}", attribute


NAMES = dict(documented())


@pytest.mark.parametrize("name", NAMES)
def test_public_names_say_what_they_are(name):
    assert inspect.getdoc(NAMES[name]), f"{name} has no docstring"


@pytest.mark.parametrize("name", [name for name in NAMES if ">>>" in (inspect.getdoc(NAMES[name]) or "")])
def test_examples_run(name):
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(NAMES[name]), {}, name, None, 0)
    results = doctest.DocTestRunner(optionflags=FLAGS).run(example)
    assert results.attempted > 0
    assert results.failed == 0, f"{results.failed} of {results.attempted} examples of {name} fail"
