"""Imported by the process that the doomed are forked from, and by it only: it starts Django."""

import django

django.setup()
