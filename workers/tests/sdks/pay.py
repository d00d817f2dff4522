"""Run where the package is installed: `python pay.py ORIGIN KEY (initialize | verify)`."""

import json
import sys

from chapa import Chapa

origin, key, step = sys.argv[1:]
sdk = Chapa(key, base_ur=origin)
if step == "initialize":
    answer = sdk.initialize(
        email="hanna@gmail.com",
        amount=1250.5,
        first_name="Hanna",
        last_name="Tesfaye",
        tx_ref="sdk-1",
        return_url="https://guzo.test/return",
        customization={"title": "Guzo", "description": "Two nights in Lalibela"},
    )
else:
    answer = sdk.verify("sdk-1")
print(json.dumps(answer))
