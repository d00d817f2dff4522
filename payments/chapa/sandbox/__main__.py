"""`python -m payments.chapa.sandbox`, set up by the environment as docs/local-chapa.md says."""

import os
import sys

from payments.chapa.sandbox.archive import StateUnusable
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import serve

try:
    config = SandboxConfig.from_environment(os.environ)
except ValueError as error:
    sys.exit(f"local Chapa: {error}")
try:
    serve(config)
except StateUnusable as error:
    sys.exit(f"local Chapa: CHAPA_SANDBOX_STATE: {error}")
