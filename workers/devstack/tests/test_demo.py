from email.message import EmailMessage
from pathlib import Path

from django.core.mail import EmailMultiAlternatives, get_connection

from workers.devstack.demo import draw_timeline
from workers.devstack.journey import read_mails


def test_a_timeline_is_drawn_in_seconds_since_its_first_entry() -> None:
    entries = [
        {"at": "2026-03-01T10:00:00.100000Z", "who": "client", "what": "asked", "detail": ""},
        {"at": "2026-03-01T10:00:01.350500Z", "who": "us", "what": "answered", "detail": "yes"},
    ]

    assert draw_timeline(entries) == [
        "   0.000  client  asked",
        "   1.250  us      answered  yes",
    ]


def test_an_empty_timeline_is_drawn_as_nothing() -> None:
    assert draw_timeline([]) == []


def test_mails_of_one_traveller_are_found_among_others(tmp_path: Path) -> None:
    for recipient in ("abebe@guzo.et", "derartu@guzo.et"):
        with get_connection(
            "django.core.mail.backends.filebased.EmailBackend", file_path=tmp_path
        ) as backend:
            for number in (1, 2):
                EmailMultiAlternatives(
                    f"ጉዞ {number}", "እንኳን ደስ አለዎት", to=[recipient], connection=backend
                ).send()

    mails = read_mails(tmp_path, "abebe@guzo.et")

    assert [mail["Subject"] for mail in mails] == ["ጉዞ 1", "ጉዞ 2"]
    assert all(isinstance(mail, EmailMessage) for mail in mails)
    assert mails[0].get_content().strip() == "እንኳን ደስ አለዎት"
