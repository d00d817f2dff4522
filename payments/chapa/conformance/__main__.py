"""`python -m payments.chapa.conformance`; the environment says whom to ask (docs/chapa.md)."""

import os
import sys

from payments.chapa.conformance.running import main

sys.exit(main(os.environ))
