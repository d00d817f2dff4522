"""Imported by the process that workers are forked from, and by it only: it starts Django."""

import django
from django.conf import settings
from django.utils.module_loading import import_string

django.setup()
# Else every fork would import the handlers anew.
import_string(settings.EVENT_ROUTES)
