"""Run every measurement in turn, or the one that is named: `python -m workers.bench intake`."""

import subprocess
import sys

SCRIPTS = ("intake", "intake_peers", "engines", "strain", "scrape", "sweep", "timing")


def main(named: list[str]) -> int:
    scripts = [named] if named else [[script] for script in SCRIPTS]
    for script, *options in scripts:
        if script not in SCRIPTS:
            print(f"There is {', '.join(SCRIPTS)}; no {script}.", file=sys.stderr)
            return 2
        command = [sys.executable, "-m", f"workers.bench.{script}", *options]
        if failed := subprocess.run(command, check=False).returncode:  # noqa: S603 - our own
            return failed
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
