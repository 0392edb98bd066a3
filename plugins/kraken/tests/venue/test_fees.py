"""TradeVolume: questions by REST's names, answers by ours, pairs that it does not know, answers that are none."""

from __future__ import annotations

from typing import Any

import pytest
from gw_venue_kraken.accounts import fees
from gw_venue_kraken.accounts.account import KrakenAccount
from gw_venue_kraken.rest_names import RestNames
from gw_venue_kraken.settings import KrakenSettings
from rest_venue import CountingSigner, Venue

from gwcore.errors import AuthenticationError, DecodeError, VenueRejected
from gwcore.model import FeesUpdate, Instrument
from gwcore.venue import Account


def instrument(symbol: str, venue_symbol: str | None) -> Instrument:
    base, _, quote = symbol.partition("/")
    digits = {"price_decimals": 1, "quantity_decimals": 8, "tick_size": "0.1", "lot_size": "0.00000001"}
    return Instrument(symbol=symbol, base=base, quote=quote, venue_symbol=venue_symbol, **digits)


BITCOIN, ETHER = instrument("BTC/USD", "XXBTZUSD"), instrument("ETH/USD", None)
MANY = [instrument(f"A{number}/USD", f"A{number}USD") for number in range(500)]


def volume(*pairs: str, **fields: Any) -> dict[str, Any]:
    taker = {pair: {"fee": "0.2600", "minfee": "0.1000", "nextvolume": None} for pair in pairs}
    maker = {pair: {"fee": "0.1600"} for pair in pairs}
    return {"currency": "ZUSD", "volume": "4.0219", "fees": taker, "fees_maker": maker} | fields


def ask(answer: Any, *instruments: Instrument) -> tuple[list[FeesUpdate], list[str]]:
    """What is told, and the lists of pairs that were asked for."""
    venue = Venue({"TradeVolume": answer})
    codec = KrakenAccount(KrakenSettings(), Account(name="main", signer=CountingSigner()), RestNames())
    told = list(venue.run(codec.fees(instruments)))
    return told, [form["pair"] for name, form in venue.asked if name == "TradeVolume"]


def test_fees_are_asked_for_by_rests_names_and_told_by_ours() -> None:
    told, asked = ask(volume("XXBTZUSD", "ETH/USD"), BITCOIN, ETHER)
    assert asked == ["XXBTZUSD,ETH/USD"]
    fields = {"maker_fee": "0.1600", "taker_fee": "0.2600", "volume": "4.0219", "volume_currency": "USD"}
    assert told == [FeesUpdate(account="main", symbol=one, **fields) for one in ("BTC/USD", "ETH/USD")]


def test_what_the_venue_does_not_tell_is_left_out() -> None:
    told, _ = ask(volume("XXBTZUSD", fees_maker=None), BITCOIN, ETHER)
    assert [(one.symbol, one.maker_fee, one.taker_fee) for one in told] == [("BTC/USD", None, "0.2600")]
    assert ask(volume(fees=None, fees_maker=None), BITCOIN)[0] == []


def test_many_pairs_are_asked_for_in_few_questions() -> None:
    told, asked = ask(lambda form: volume(*form["pair"].split(",")), *MANY)
    assert [one.symbol for one in told] == [one.symbol for one in MANY]
    assert len(asked) == 3


def refusing(*unknown: str) -> Any:
    def answer(form: dict[str, str]) -> Any:
        pairs = form["pair"].split(",")
        return ["EQuery:Unknown asset pair"] if set(pairs) & set(unknown) else volume(*pairs)

    return answer


def test_a_pair_that_is_not_known_costs_no_other_its_fees() -> None:
    told, _ = ask(refusing("A7USD", "A400USD"), *MANY)
    assert {one.symbol for one in told} == {one.symbol for one in MANY} - {"A7/USD", "A400/USD"}


def test_a_venue_that_knows_no_pair_is_not_asked_for_ever() -> None:
    told, asked = ask(lambda form: ["EQuery:Unknown asset pair"], *MANY)
    assert told == []
    assert len(asked) == fees.QUESTIONS_MAX


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (volume("XXBTZUSD", fees={"XXBTZUSD": {"fee": "much"}}), DecodeError),
        (volume("XXBTZUSD", fees={"XXBTZUSD": 1}), DecodeError),
        (["EGeneral:Permission denied"], AuthenticationError),
        (["EQuery:Something new"], VenueRejected),
    ],
)
def test_what_is_no_answer_raises(answer: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        ask(answer, BITCOIN)
