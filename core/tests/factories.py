import factory
from factory.django import DjangoModelFactory

from core.models import User

PASSWORD = "kurs-buna-72-lalibela"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"traveller{n}@guzo.et")
    first_name = "Selam"
    last_name = "Tesfaye"
    phone_number = "0911223344"
