"""Hold docs/chapa.md against the real Chapa, with a test key: `make test-chapa`."""
