import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from core.admin import EstimatingPaginator, ReadOnlyAdmin
from core.models import User
from core.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
OURS = [
    model
    for model in admin.site._registry
    if isinstance(admin.site._registry[model], ReadOnlyAdmin)
]


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_list_opens(operator: Client, model: type[User]) -> None:
    page = operator.get(reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist"))

    assert page.status_code == 200


def test_a_person_is_shown_without_the_password(operator: Client) -> None:
    person = UserFactory.create(password="argon2$secret-hash")

    page = operator.get(reverse("admin:core_user_change", args=[person.id]))

    assert page.status_code == 200
    assert person.email in page.content.decode()
    assert "secret-hash" not in page.content.decode()


def test_a_person_is_found_by_the_whole_address_only(operator: Client) -> None:
    person = UserFactory.create()
    address = reverse("admin:core_user_changelist")

    assert person.email in operator.get(address, {"q": person.email}).content.decode()
    assert person.email not in operator.get(address, {"q": person.email[:9]}).content.decode()


@pytest.mark.parametrize(
    "model", [model for model in OURS if model is not User], ids=lambda model: model._meta.label
)
def test_nothing_is_changed_by_hand(operator: Client, model: type[Model]) -> None:
    name = f"admin:{model._meta.label_lower.replace('.', '_')}"
    request = operator.get(reverse(f"{name}_changelist")).wsgi_request
    rows = admin.site._registry[model]

    assert operator.get(reverse(f"{name}_add")).status_code == 403
    assert rows.has_view_permission(request)
    assert not rows.has_change_permission(request)
    assert not rows.has_delete_permission(request)


@pytest.mark.parametrize("action", ["add", "delete"])
def test_nobody_is_made_or_removed_by_hand(operator: Client, action: str) -> None:
    person = UserFactory.create()
    args = [] if action == "add" else [person.id]

    answer = operator.post(reverse(f"admin:core_user_{action}", args=args), {"post": "yes"})

    assert answer.status_code == 403
    assert User.objects.filter(id=person.id).exists()


def test_a_superuser_makes_an_operator_and_changes_nothing_else(operator: Client) -> None:
    person = UserFactory.create()
    permission = Permission.objects.get(codename="view_event")

    answer = operator.post(
        reverse("admin:core_user_change", args=[person.id]),
        {
            **{"is_staff": "on", "user_permissions": [permission.id]},
            **{"first_name": "Other", "email": "other@guzo.et", "is_superuser": "on"},
        },
    )

    assert answer.status_code == 302
    person = User.objects.get(id=person.id)
    assert person.is_staff
    assert person.has_perm("events.view_event")
    assert (person.first_name, person.is_superuser) == ("Selam", False)
    assert LogEntry.objects.get().object_id == str(person.id)


def test_an_operator_gives_nobody_anything(client: Client) -> None:
    person = UserFactory.create(is_staff=True)
    person.user_permissions.set(Permission.objects.filter(content_type__app_label="core"))
    client.force_login(person)

    answer = client.post(
        reverse("admin:core_user_change", args=[person.id]), {"user_permissions": []}
    )

    assert answer.status_code == 403


def test_nobody_makes_tokens_or_groups_by_hand() -> None:
    assert not admin.site.is_registered(AuthToken)
    assert not admin.site.is_registered(Group)


def test_a_traveller_does_not_get_in(client: Client) -> None:
    client.force_login(UserFactory.create())

    assert client.get(reverse("admin:core_user_changelist")).status_code == 302


def test_a_small_table_is_counted_and_a_large_one_estimated() -> None:
    UserFactory.create_batch(3)
    everyone = User.objects.order_by("email")
    assert EstimatingPaginator(everyone, 2).count == 3

    with connection.cursor() as cursor:
        cursor.execute("update pg_class set reltuples = 2e6 where relname = 'core_user'")

    assert EstimatingPaginator(everyone, 2).count == 2_000_000
    assert EstimatingPaginator(everyone.filter(is_staff=False), 2).count == 3
    assert Paginator(everyone, 2).count == 3
