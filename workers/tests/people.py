"""Staff who may do what a test lets them do."""

from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from bookings.tests.cast import client_of
from core.models import User
from core.tests.factories import UserFactory


def person(*permissions: str, staff: bool = True) -> User:
    user = UserFactory.create(is_staff=staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def staff(*permissions: str) -> APIClient:
    return client_of(person(*permissions))
