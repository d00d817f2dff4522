"""The whole trade of the comparison: an order is placed, and once placed it has one effect."""

from typing import ClassVar

from django.db import models


class Order(models.Model):
    """The change that an event reports, in the event's own commit."""

    objects: ClassVar["models.Manager[Order]"]
    id = models.BigAutoField(primary_key=True)
    customer = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.id} of {self.customer}"


class Effect(models.Model):
    """What the handler writes. Nothing keeps it from being there twice, or never."""

    objects: ClassVar["models.Manager[Effect]"]
    id = models.BigAutoField(primary_key=True)
    order_id = models.BigIntegerField()
    customer = models.IntegerField()

    def __str__(self) -> str:
        return f"of {self.order_id}"


class Acknowledgement(models.Model):
    """When the one who placed an order was told that it stands: by the clock of this machine."""

    objects: ClassVar["models.Manager[Acknowledgement]"]
    order = models.OneToOneField(Order, models.DO_NOTHING, primary_key=True, db_constraint=False)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.pk} at {self.at}"
