"""The doors of people and their logins."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core import accounts
from core.addresses import client_address
from core.errors import TooMany
from core.models import User
from core.schema import refuses
from core.serializers import RequestBody
from core.throttling import spend

ASCII = RegexValidator(r"^[!-~]*$", "Plain letters only: write the domain in its xn-- form.")


class Users(APIView):
    """Accounts."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    class Input(RequestBody):
        """Who travels."""

        # Lower case is not one thing beyond ASCII: PostgreSQL and Python know other pairs.
        email = serializers.EmailField(max_length=254, validators=[ASCII])
        password = serializers.CharField(max_length=128, trim_whitespace=False)
        first_name = serializers.CharField(max_length=60)
        last_name = serializers.CharField(max_length=60)
        phone_number = serializers.RegexField(
            r"^(\+?251|0)[79][0-9]{8}$", required=False, allow_blank=True
        )
        language = serializers.ChoiceField(
            User.Language.choices, required=False, default=User.Language.ENGLISH
        )

    class Output(serializers.ModelSerializer[User]):
        class Meta:
            model = User
            fields: ClassVar = [
                "id",
                "email",
                "first_name",
                "last_name",
                "phone_number",
                "language",
                "joined_at",
            ]

    @extend_schema(
        operation_id="register_user",
        request=Input,
        responses={201: Output},
        auth=[],
        extensions=refuses(accounts.WeakPassword, TooMany),
        examples=[
            OpenApiExample(
                "A traveller",
                request_only=True,
                value={
                    "email": "liya@guzo.et",
                    "password": "kurs-buna-72-lalibela",
                    "first_name": "Liya",
                    "last_name": "Desta",
                    "phone_number": "0911223344",
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        body = self.Input(data=request.data)
        body.is_valid(raise_exception=True)
        spend("SIGN_UPS_PER_ADDRESS", who=client_address(request), at=timezone.now())
        user = accounts.register_user(**body.validated_data)
        return Response(self.Output(user).data, status=201)


class Tokens(APIView):
    """Logins."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    class Input(RequestBody):
        """What a traveller logs in with."""

        email = serializers.EmailField(max_length=254)
        password = serializers.CharField(max_length=128, trim_whitespace=False)

    class Output(serializers.Serializer[accounts.Login]):
        token = serializers.CharField()
        expires_at = serializers.DateTimeField()

    @extend_schema(
        operation_id="log_in",
        request=Input,
        responses={201: Output},
        auth=[],
        extensions=refuses(accounts.CredentialsRejected, TooMany),
        examples=[
            OpenApiExample(
                "Log in",
                request_only=True,
                value={"email": "selam@guzo.et", "password": "guzo-demo-traveller"},
            )
        ],
    )
    def post(self, request: Request) -> Response:
        body = self.Input(data=request.data)
        body.is_valid(raise_exception=True)
        accounts.count_attempt(
            email=body.validated_data["email"],
            address=client_address(request),
            door="LOGINS_PER_ADDRESS",
            at=timezone.now(),
        )
        login = accounts.log_in(**body.validated_data)
        return Response(self.Output(login).data, status=201)


class CurrentToken(APIView):
    """The login that this request is made with."""

    @extend_schema(operation_id="log_out", request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        request.auth.delete()
        return Response(status=204)
