"""What every answer tells the browser, whoever asked for what."""

import re

import pytest
from csp.constants import NONE, SELF
from django.conf import settings
from django.test import Client

pytestmark = pytest.mark.django_db

PAGES = ["/api/v1/docs", "/admin/login/", "/return/no-such-key", "/nowhere", "/api/v1/listings"]


def policy_of(client: Client, page: str) -> dict[str, list[str]]:
    text = client.get(page)["Content-Security-Policy"]
    return {name: values for name, *values in (part.split() for part in text.split(";"))}


@pytest.mark.parametrize("page", PAGES)
def test_scripts_come_from_us_alone_and_nobody_frames_us(client: Client, page: str) -> None:
    policy = policy_of(client, page)

    assert policy["default-src"] == [NONE]
    assert policy["script-src"] == [SELF]
    assert policy["frame-ancestors"] == [NONE]
    assert policy["base-uri"] == [NONE]


@pytest.mark.parametrize("page", PAGES)
def test_no_page_carries_a_script_of_its_own(client: Client, page: str) -> None:
    assert not re.search(rb"<script(?![^>]*\bsrc=)|\son\w+=", client.get(page).content)


@pytest.mark.parametrize("page", PAGES)
def test_types_are_not_guessed_and_addresses_not_passed_on(client: Client, page: str) -> None:
    answer = client.get(page)

    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


def test_forms_lead_to_us_and_to_chapas_pages_only(client: Client) -> None:
    assert policy_of(client, "/return/no-such-key")["form-action"] == [
        SELF,
        *settings.CHAPA_CHECKOUT_HOSTS,
    ]
