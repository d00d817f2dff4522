import os
import subprocess
import sys
from pathlib import Path

from core.tests.test_settings import NAMES, PROJECT, SAMPLE, production_block


def test_the_samples_production_block_passes_djangos_deploy_check(tmp_path: Path) -> None:
    file = tmp_path / "production"
    values = production_block()
    unchanged = [
        line for line in SAMPLE.read_text().splitlines() if line.split("=")[0] not in values
    ]
    file.write_text("\n".join([*unchanged, *(f"{k}={v}" for k, v in values.items())]))
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}

    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=PROJECT,
        env=kept | {"ENV_FILE": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout
