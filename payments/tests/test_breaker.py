from payments.services.breaker import Breaker


def test_only_silences_in_a_row_open_the_breaker() -> None:
    breaker = Breaker()
    for answered in (False, False, True, False, False):
        breaker.note(answered=answered)
        assert not breaker.is_open
    breaker.note(answered=False)

    assert breaker.is_open
