"""`python -m workers.devstack demo` or `up`: needs no settings yet, it chooses them."""

import sys

from workers.devstack.demo import run_demo
from workers.devstack.progress import Progress
from workers.devstack.up import run_up

if __name__ == "__main__":
    run = {"demo": run_demo, "up": run_up}[sys.argv[1]]
    sys.exit(run(Progress()))
