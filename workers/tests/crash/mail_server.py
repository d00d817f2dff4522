"""A real SMTP server whose answer to a letter can be held back."""

import asyncio
import socket
import threading
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller


class Mailbox:
    """aiosmtpd's handler. `hold` makes it keep the client waiting before it takes a letter."""

    def __init__(self) -> None:
        self.letters: list[Message] = []
        self.held = threading.Event()
        self.hold = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.hold:
            self.held.set()
            while self.hold:
                await asyncio.sleep(0.02)
            return "451 try again later"
        self.letters.append(message_from_bytes(envelope.content))
        return "250 taken"

    def to(self, address: str) -> list[Message]:
        return [letter for letter in self.letters if letter["To"] == address]


def start_mail_server(mailbox: Mailbox) -> Controller:
    """Listen on a free port: aiosmtpd tries its own by connecting to it, so it cannot be 0."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    return controller
