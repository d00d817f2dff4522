from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from core.errors import TooMany
from core.models import Throttle
from core.rates import Rate
from core.tests.factories import PASSWORD, UserFactory
from core.tests.threads import at_once
from core.throttling import forget_full_buckets, spend

AT = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def three_a_minute(settings: Settings) -> None:
    settings.LOGINS_PER_ADDRESS = Rate(3, MINUTE)


def use(times: int, *, who: str = "one", at: datetime = AT) -> int:
    """Return how many of so many uses were taken."""
    taken = 0
    for _ in range(times):
        try:
            spend("LOGINS_PER_ADDRESS", who=who, at=at)
        except TooMany:
            continue
        taken += 1
    return taken


@pytest.mark.django_db
@pytest.mark.usefixtures("three_a_minute")
class TestSpend:
    def test_as_many_as_the_rate_says_are_taken_at_once(self) -> None:
        assert use(10) == 3

    def test_they_come_back_one_by_one(self) -> None:
        use(3)

        assert use(10, at=AT + timedelta(seconds=19)) == 0
        assert use(10, at=AT + timedelta(seconds=20)) == 1
        assert use(10, at=AT + timedelta(seconds=60)) == 2
        assert use(10, at=AT + timedelta(hours=1)) == 3

    def test_several_are_taken_together_or_not_at_all(self) -> None:
        spend("LOGINS_PER_ADDRESS", who="one", at=AT, times=2)
        with pytest.raises(TooMany) as refusal:
            spend("LOGINS_PER_ADDRESS", who="one", at=AT, times=3)

        assert refusal.value.retry_after == timedelta(seconds=40)
        assert use(10) == 1

    def test_a_refused_use_costs_nothing(self) -> None:
        use(100)

        assert use(10, at=AT + MINUTE) == 3

    def test_a_refusal_says_exactly_when_the_next_is_taken(self) -> None:
        use(3, at=AT)
        with pytest.raises(TooMany) as refusal:
            spend("LOGINS_PER_ADDRESS", who="one", at=AT + timedelta(seconds=5))

        assert refusal.value.retry_after == timedelta(seconds=15)
        assert use(1, at=AT + timedelta(seconds=20)) == 1

    def test_each_has_a_bucket_of_their_own(self, settings: Settings) -> None:
        settings.SIGN_UPS_PER_ADDRESS = Rate(1, MINUTE)
        use(3)

        assert use(1, who="another") == 1
        spend("SIGN_UPS_PER_ADDRESS", who="one", at=AT)

    def test_nobody_can_be_read_from_the_table(self) -> None:
        use(1, who="selam@guzo.et")

        assert "selam" not in Throttle.objects.get().key

    def test_what_limits_nobody_any_more_is_forgotten(self) -> None:
        use(3)
        use(1, who="another")

        assert forget_full_buckets(before=AT + timedelta(seconds=30)) == 1
        assert use(1) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("three_a_minute")
def test_of_many_at_once_no_more_are_taken() -> None:
    assert sum(at_once(12, lambda _: use(1))) == 3


def refusal_of(answer: Any) -> tuple[int, str, str]:
    return answer.status_code, answer["Content-Type"], answer.json()["code"]


REFUSED = (429, "application/problem+json", "throttled")


@pytest.mark.django_db
class TestLogin:
    body = {"email": "nobody@guzo.et", "password": "wrong-password"}  # noqa: RUF012

    def log_in(self, address: str, **changed: str) -> Any:
        return APIClient(REMOTE_ADDR=address).post(
            "/api/v1/tokens", self.body | changed, format="json"
        )

    def test_an_address_may_try_so_often(self, settings: Settings) -> None:
        settings.LOGINS_PER_ADDRESS = Rate(2, MINUTE)
        statuses = [
            self.log_in("198.51.100.7", email=f"{each}@guzo.et").status_code for each in range(2)
        ]
        refused = self.log_in("198.51.100.7", email="third@guzo.et")

        assert statuses == [401, 401]
        assert refusal_of(refused) == REFUSED
        assert 0 < int(refused["Retry-After"]) <= 30
        assert self.log_in("198.51.100.8").status_code == 401

    def test_an_account_is_tried_so_often_from_one_address(self, settings: Settings) -> None:
        settings.LOGINS_PER_ACCOUNT = Rate(2, MINUTE)
        self.log_in("198.51.100.1")
        self.log_in("198.51.100.1", email="NOBODY@guzo.et")

        assert refusal_of(self.log_in("198.51.100.1")) == REFUSED
        assert self.log_in("198.51.100.1", email="other@guzo.et").status_code == 401

    def test_nobody_locks_another_out_from_one_place(self, settings: Settings) -> None:
        settings.LOGINS_PER_ACCOUNT = Rate(2, MINUTE)
        owner = UserFactory.create()
        owner.set_password(PASSWORD)
        owner.save()
        for _ in range(5):
            self.log_in("198.51.100.1", email=owner.email)

        entered = self.log_in("198.51.100.2", email=owner.email, password=PASSWORD)
        assert entered.status_code == 201

    def test_from_everywhere_together_there_is_an_end(self, settings: Settings) -> None:
        settings.LOGINS_PER_ACCOUNT_ANYWHERE = Rate(2, MINUTE)
        answers = [self.log_in(f"198.51.100.{each}").status_code for each in range(3)]

        assert answers == [401, 401, 429]

    def test_a_claimed_address_does_not_help(self, settings: Settings) -> None:
        settings.LOGINS_PER_ADDRESS = Rate(2, MINUTE)
        answers = [
            APIClient(REMOTE_ADDR="198.51.100.7").post(
                "/api/v1/tokens",
                self.body,
                format="json",
                headers={"X-Forwarded-For": f"203.0.113.{each}"},
            )
            for each in range(3)
        ]

        assert [answer.status_code for answer in answers] == [401, 401, 429]


@pytest.mark.django_db
def test_an_address_may_sign_up_so_often(settings: Settings) -> None:
    settings.SIGN_UPS_PER_ADDRESS = Rate(1, MINUTE)
    body = {"password": PASSWORD, "first_name": "Liya", "last_name": "Desta"}
    first, second = (
        APIClient().post("/api/v1/users", body | {"email": f"{each}@guzo.et"}, format="json")
        for each in range(2)
    )

    assert first.status_code == 201
    assert refusal_of(second) == REFUSED


@pytest.mark.django_db
class TestAdmin:
    def log_in(self, password: str = "wrong") -> Any:
        return Client().post("/admin/login/", {"username": "OP@guzo.et", "password": password})

    def test_its_login_has_a_limit_of_its_own(self, settings: Settings) -> None:
        settings.ADMIN_LOGINS_PER_ADDRESS = Rate(2, MINUTE)
        settings.LOGINS_PER_ADDRESS = Rate(1, MINUTE)
        UserFactory.create(email="op@guzo.et", is_staff=True).set_password(PASSWORD)

        statuses = [self.log_in().status_code for _ in range(2)]
        refused = self.log_in(PASSWORD)

        assert statuses == [200, 200]
        assert refused.status_code == 429
        assert "Too many attempts. Try again in 1 min." in refused.content.decode()
        assert "sessionid" not in refused.cookies

    def test_an_account_cannot_be_tried_at_both_doors(self, settings: Settings) -> None:
        settings.LOGINS_PER_ACCOUNT = Rate(1, MINUTE)
        TestLogin().log_in("127.0.0.1", email="op@guzo.et")

        assert self.log_in().status_code == 429

    def test_whoever_is_right_gets_in(self) -> None:
        operator = UserFactory.create(email="op@guzo.et", is_staff=True)
        operator.set_password(PASSWORD)
        operator.save()

        answer = self.log_in(PASSWORD)

        assert answer.status_code == 302
        assert "sessionid" in answer.cookies
