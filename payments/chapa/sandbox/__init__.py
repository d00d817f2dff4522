"""The local Chapa: the far end of the wire, for development, demonstrations and tests."""
