"""A mail server on a real socket."""

import socket
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Postbox:
    """Keeps what it is sent; what it says to a recipient or a letter can be set."""

    letters: list[EmailMessage] = field(default_factory=list)
    to_recipient: str = "250 OK"
    to_letter: str = "250 OK"
    hangs_up: bool = False

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        del session
        if self.to_letter.startswith("250"):
            letter = message_from_bytes(envelope.content, policy=default)
            assert isinstance(letter, EmailMessage)
            self.letters.append(letter)
        if self.hangs_up:
            server.transport.close()
        return self.to_letter


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def serve(postbox: Postbox) -> Controller:
    return Controller(postbox, hostname="127.0.0.1", port=free_port())
