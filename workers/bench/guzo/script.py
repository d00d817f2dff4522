"""Write down what a process tells PostgreSQL, as scripts that pgbench can say again."""

import os
import threading
from pathlib import Path
from typing import IO, Any

from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor

# Names the folder; each connection has a file of its own in it.
FOLDER = "BENCH_SCRIPTS"


class ScriptedConnection(connection):
    """A connection that writes each statement into its file before it says it."""

    script: IO[str] | None = None

    def write_down(self, said: str) -> None:
        if self.script is None:
            name = f"{os.getpid()}-{threading.get_ident()}.sql"
            self.script = Path(os.environ[FOLDER], name).open("w", buffering=1)  # noqa: SIM115
        # psycopg2 begins by itself, before the first statement.
        if not self.autocommit and self.info.transaction_status == TRANSACTION_STATUS_IDLE:
            self.script.write("begin;\n")
        self.script.write(f"{said.strip().rstrip(';')};\n")

    def commit(self) -> None:
        if self.script and self.info.transaction_status != TRANSACTION_STATUS_IDLE:
            self.script.write("commit;\n")
        super().commit()


class ScriptedCursor(cursor):
    def execute(self, query: Any, vars: Any = None) -> None:
        said = self.mogrify(query, vars).decode()
        assert isinstance(self.connection, ScriptedConnection)
        self.connection.write_down(said)
        super().execute(query, vars)
