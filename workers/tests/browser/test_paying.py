"""A traveller with a real browser: Chapa's page, and ours to come back to."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from bookings.models import Booking
from bookings.tests.factories import ListingFactory
from core.tests.factories import UserFactory
from core.tests.threads import eventually
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import Payment
from workers.tests.journeys.conftest import logged_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-quic", "--disable-background-networking"]


@pytest.fixture(scope="module")
def open_page() -> Iterator[Callable[[], Page]]:
    """Playwright's loop belongs to this thread while it runs, so Django must be told it is fine."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("Chromium is not installed: apt install chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser.new_page
        browser.close()


@pytest.fixture
def trip(live_server: LiveServer, chapa: RunningSandbox) -> tuple[str, str]:
    """A held stay with an open checkout: (booking id, checkout URL)."""
    client = logged_in(live_server)
    day = timezone.now().date() + timedelta(days=20)
    booking = client.hold(ListingFactory.create(), str(day), str(day + timedelta(days=2)))
    return booking["id"], client.start_payment(booking["id"]).json()["checkout_url"]


def _status(booking_id: str) -> str:
    return str(Booking.objects.get(id=booking_id).status)


def test_who_pays_comes_back_to_a_confirmed_stay(
    open_page: Callable[[], Page], trip: tuple[str, str], drain: Callable[[], int]
) -> None:
    booking_id, checkout_url = trip
    page = open_page()
    page.goto(checkout_url)
    page.get_by_label("Mobile number").fill("0900123456")
    page.get_by_role("button", name="Pay").click()

    expect(page.get_by_role("heading", name="We are checking your payment")).to_be_visible()
    eventually(lambda: drain() and _status(booking_id) == "confirmed")

    # The page looks again by itself.
    expect(page.get_by_role("heading", name="Your stay is confirmed")).to_be_visible(timeout=8000)


def test_a_test_card_is_chosen_on_chapas_page(
    open_page: Callable[[], Page], trip: tuple[str, str], drain: Callable[[], int]
) -> None:
    booking_id, checkout_url = trip
    page = open_page()
    page.goto(checkout_url)
    page.get_by_role("link", name="Card", exact=True).click()
    page.get_by_role("link", name="4200 0000 0000 0042").click()
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("alert")).to_contain_text("You can try again")

    page.get_by_role("link", name="3700 0000 0000 0000").click()
    expect(page.get_by_label("CVV")).to_have_value("1234")
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url("**/return/**")
    eventually(lambda: drain() and _status(booking_id) == "confirmed")


def test_a_bank_asks_for_a_code_on_a_page_of_its_own(
    open_page: Callable[[], Page], trip: tuple[str, str], drain: Callable[[], int]
) -> None:
    booking_id, checkout_url = trip
    page = open_page()
    page.goto(checkout_url)
    page.get_by_label("Pay with").select_option("Awash Bank")
    page.get_by_role("button", name="Pay").click()
    page.get_by_label("Code that Awash Bank sent to 0900123456").fill("12345")
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/return/**")
    eventually(lambda: drain() and _status(booking_id) == "confirmed")


def test_who_declines_may_pay_again_on_a_fresh_checkout(
    open_page: Callable[[], Page],
    trip: tuple[str, str],
    chapa: RunningSandbox,
    drain: Callable[[], int],
) -> None:
    booking_id, checkout_url = trip
    page = open_page()
    page.goto(checkout_url)
    page.get_by_role("button", name="Decline").click()
    transaction = chapa.store.transactions()[0]
    eventually(lambda: drain() and _payment_statuses(booking_id) == ["failed"])

    assert transaction.return_url is not None
    page.goto(transaction.return_url)
    page.get_by_role("button", name="Pay again").click()
    expect(page.get_by_label("Mobile number")).to_be_visible()
    assert page.url != checkout_url
    page.get_by_label("Mobile number").fill("0900123456")
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url("**/return/**")

    eventually(lambda: drain() and _status(booking_id) == "confirmed")
    expect(page.get_by_role("heading", name="Your stay is confirmed")).to_be_visible(timeout=8000)


def test_an_operator_logs_in_to_the_admin(
    open_page: Callable[[], Page], live_server: LiveServer, transactional_db: None
) -> None:
    operator = UserFactory.create(is_staff=True, is_superuser=True)
    operator.set_password("kurs-buna-72-lalibela")
    operator.save()
    page = open_page()
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Email").fill(operator.email)
    page.get_by_label("Password").fill("kurs-buna-72-lalibela")
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("heading", name="Rooms")).to_be_visible()
    for room in ("payments/payment", "events/delivery", "bookings/booking"):
        page.goto(f"{live_server.url}/admin/{room}/")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Select")


def test_the_documentation_is_drawn_under_our_own_policy(
    open_page: Callable[[], Page], live_server: LiveServer, transactional_db: None
) -> None:
    page, complaints = open_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{live_server.url}/api/v1/docs")

    expect(page.get_by_text("/api/v1/bookings/{booking_id}/payments").first).to_be_visible()
    assert complaints == []


def test_the_type_of_a_problem_shows_what_its_code_means(
    open_page: Callable[[], Page], live_server: LiveServer, transactional_db: None
) -> None:
    page = open_page()
    page.goto(f"{live_server.url}/api/v1/docs#stay_invalid")

    expect(page.get_by_text("/api/v1/bookings/{booking_id}/payments").first).to_be_visible()
    expect(page.locator("#stay_invalid")).to_be_in_viewport()
    expect(page.locator("#stay_invalid")).to_contain_text("This stay cannot be booked.")
    expect(page.locator("#dates_unavailable")).to_be_hidden()


def _payment_statuses(booking_id: str) -> list[str]:
    return list(Payment.objects.filter(reference=booking_id).values_list("status", flat=True))
