"""`--seeds`: which histories are lived through; `--plant`: with which bug."""

import pytest

from workers.tests.simulation.planted import BUGS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", default="0:200", help="FIRST:END, or one seed")
    parser.addoption("--plant", choices=list(BUGS), help="a bug, to find seeds that catch it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, _, end = metafunc.config.getoption("--seeds").partition(":")
        metafunc.parametrize("seed", range(int(first), int(end or int(first) + 1)))
