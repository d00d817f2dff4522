"""The folders are the architecture: imports between them are checked on every run."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_imports_keep_the_contracts() -> None:
    checked = subprocess.run(
        [Path(sys.prefix, "bin", "lint-imports"), "--no-cache"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout[-3000:]
