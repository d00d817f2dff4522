"""Django's PostgreSQL, with a cheaper question whether a kept connection still stands."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """
        Look at the socket instead of asking: Django's `select 1` was a fifth of a webhook's CPU.

        On an idle connection nobody speaks, so what can be read is its end, or worth the question.
        A server that vanished without a word is found by neither; TCP's keep-alive does that.
        """
        if self.connection is None or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection.fileno(), select.POLLIN)
        return not socket.poll(0) or super().is_usable()
