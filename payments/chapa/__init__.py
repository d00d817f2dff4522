"""The wire to Chapa, and the local Chapa at its far end. No Django here."""
