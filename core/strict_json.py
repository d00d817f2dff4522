"""What `json.loads` lets through and JSON does not have: hooks that refuse it. Pure."""


def refuse_constant(name: str) -> float:
    """For `parse_constant`. :raises ValueError: NaN and its kin are not JSON."""
    raise ValueError(f"{name} is not JSON")


def refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """For `object_pairs_hook`. :raises ValueError: nobody can say which of two was meant."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands there twice")
    return members
