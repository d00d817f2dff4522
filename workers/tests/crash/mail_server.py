"""A real mail server whose answer to a letter can be held back."""

import asyncio
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from bookings.tests.mail_server import Postbox


@dataclass
class Mailbox(Postbox):
    """`hold` keeps the client waiting before a letter is taken, and then it is not."""

    held: threading.Event = field(default_factory=threading.Event)
    hold: bool = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if not self.hold:
            return await super().handle_DATA(server, session, envelope)
        self.held.set()
        while self.hold:
            await asyncio.sleep(0.02)
        return "451 try again later"

    def to(self, address: str) -> list[EmailMessage]:
        return [letter for letter in self.letters if letter["To"] == address]
