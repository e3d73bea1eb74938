"""Who holds a call."""

from protocol.calls.hold import CallHold


def test_the_page_holds_and_goes_on() -> None:
    hold = CallHold()
    assert hold.offers(held=True)
    hold.accepted()
    assert (hold.is_on, hold.by_page, hold.is_settled) == (True, True, True)
    assert hold.offers(held=False)
    hold.accepted()
    assert (hold.is_on, hold.is_settled) == (False, True)


def test_a_wish_during_an_offer_is_kept_until_the_phone_has_answered() -> None:
    hold = CallHold()
    assert hold.offers(held=True)
    assert not hold.offers(held=False)
    assert hold.by_page
    assert not hold.is_settled
    hold.accepted()
    assert hold.offers(held=hold.wanted)
    assert hold.is_settled


def test_a_refusal_leaves_all_as_it_was() -> None:
    hold = CallHold()
    assert hold.offers(held=True)
    assert hold.refused()
    assert (hold.is_on, hold.is_settled) == (False, True)
    assert not hold.refused(), "that offer was not about holding"


def test_a_phone_that_answers_a_hold_by_receiving_only_does_not_hold_itself() -> None:
    hold = CallHold()
    hold.described(holds=True)
    assert (hold.by_phone, hold.is_on) == (True, True)
    hold.offers(held=True)
    hold.described(holds=True)
    assert (hold.by_phone, hold.is_on) == (False, True)


def test_another_phone_comes_with_what_it_was_offered() -> None:
    hold = CallHold()
    hold.offers(held=True)
    hold.replaced(held=False)
    assert (hold.by_page, hold.is_settled) == (False, False)
    assert hold.offers(held=True), "nothing of the phone that is gone is waited for"
