from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwcore.model import Record, UpdateType
from gwcore.subjects import Subjects, escape, unescape

AWKWARD = [
    "BTC/USD",
    "BTC-USD",
    "BTC_USD",
    "ETH2.S/USD",
    "a.b",
    "*",
    ">",
    " ",
    "A B",
    "_",
    "-",
    "_2d",
    "é",
    "BTC/USD ",
    "\t",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_symbols_come_back(text: str) -> None:
    token = escape(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert unescape(token) == text


def test_awkward_symbols_stay_apart() -> None:
    assert len({escape(text) for text in AWKWARD}) == len(AWKWARD)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_a_legal_token(text: str, other: str) -> None:
    assert unescape(escape(text)) == text
    assert re.fullmatch(r"[A-Za-z0-9_-]+", escape(text))
    assert not other or (escape(text) == escape(other)) == (text == other)


def test_plain_pairs_stay_readable() -> None:
    assert escape("BTC/USD") == "BTC-USD"
    assert escape("1INCH/EUR") == "1INCH-EUR"


@pytest.mark.parametrize("token", ["", "_", "_2", "_zz", "_41", "a.b", "_2D", "_ff"])
def test_a_token_that_escape_never_makes_is_refused(token: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence is Python's own for some
        unescape(token)


def record(**fields: Any) -> Record:
    values = {"partition": "md.0", "kind": "top_of_book", "symbol": "BTC/USD", "account": None} | fields
    return Record(
        session_id="01S",
        sequence=1,
        update_type=UpdateType.SNAPSHOT,
        published_ns=1,
        payload=b"{}",
        position=1,
        **values,
    )


def test_subjects_of_the_classes() -> None:
    subjects = Subjects("sim", "kraken")
    assert subjects.of_record(record()) == "gw.sim.kraken.md.top_of_book.BTC-USD"
    assert subjects.of_record(record(symbol=None, kind="market_status")) == "gw.sim.kraken.md.market_status._"
    executed = record(partition="ex.main", account="main", kind="trade_update")
    assert subjects.of_record(executed) == "gw.sim.kraken.ex.main.trade_update"
    assert (
        subjects.of_record(executed._replace(account=None, partition="ex.a.b")) == "gw.sim.kraken.ex.a_2eb.trade_update"
    )
    status = record(partition="st", symbol=None, kind="gateway_status")
    assert subjects.of_record(status) == "gw.sim.kraken.st.gateway_status"
    assert subjects.of_record(status._replace(symbol="X/Y")) == "gw.sim.kraken.st.gateway_status.X-Y"
    assert subjects.of_class("md") == "gw.sim.kraken.md.>"
