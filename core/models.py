from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from core.ids import new_id


class UserAccounts(BaseUserManager["User"]):
    """What Django's authentication asks of a user model; e-mail is the login, in lower case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person: traveller, host or operator."""

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        AMHARIC = "am", "አማርኛ"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    first_name = models.CharField(max_length=60)
    last_name = models.CharField(max_length=60)
    phone_number = models.CharField(max_length=16, blank=True)
    language = models.CharField(max_length=2, choices=Language, default=Language.ENGLISH)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    joined_at = models.DateTimeField(default=timezone.now)
    # What is left of a person who was erased: an id that the ledger needs, and who did it and why.
    erased_at = models.DateTimeField(null=True, blank=True)
    erased_by = models.CharField(max_length=80, blank=True, default="", db_default="")
    erased_because = models.TextField(blank=True, default="", db_default="")

    objects: ClassVar[UserAccounts] = UserAccounts()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["first_name", "last_name"]

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="core_user_email_is_lower_case"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["id"],
                name="core_user_erased",
                condition=models.Q(erased_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return "erased" if self.erased_at else f"{self.first_name} {self.last_name}"


class IdempotencyRecord(models.Model):
    """
    Which resource a client's key made.

    Written in the same commit as the resource; it stores no answer: a repeat is answered from the
    resource as it is by then.
    """

    principal = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    resource_id = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["principal", "key"], name="core_one_resource_per_idempotency_key"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="core_idempotency_age")]

    def __str__(self) -> str:
        return self.key


class Throttle(models.Model):
    """One token bucket: core/throttling.py. Unlogged: after a crash everybody starts afresh."""

    key = models.CharField(max_length=64, primary_key=True)
    full_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
