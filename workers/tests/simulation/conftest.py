"""`--seeds`: which histories are lived through."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", default="0:200", help="FIRST:END, or one seed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, _, end = metafunc.config.getoption("--seeds").partition(":")
        metafunc.parametrize("seed", range(int(first), int(end or int(first) + 1)))
