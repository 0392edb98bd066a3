"""The AsyncAPI document names every kind, request and answer, on the subjects that the gateway uses."""

from __future__ import annotations

from typing import Any

import pytest

from gwcore import wire
from gwcore.model import TYPE_OF_KIND, Record
from gwcore.subjects import Subjects

SUBJECTS = Subjects("sim", "kraken")
#: class -> kinds, by what they are about: written here by hand, to be compared with what the document derives.
MARKET = ("reference_data", "market_status", "top_of_book", "market_by_price", "market_by_order", "trade_summary",
          "statistics", "time_series", "gap")  # fmt: skip
EXECUTION = ("order_ack", "order_update", "trade_update", "position", "funds", "trade_balance", "fees")
#: Of an account where they stand among its executions, and of the gateway elsewhere.
BOTH = ("rate_limits", "download_begin", "download_end", "ready", "gap", "discrepancy")


def subject(partition: str, kind: str, symbol: str | None = None, account: str | None = None) -> str:
    return SUBJECTS.of_record(Record(partition, "s", 1, kind, symbol, account, None, 0, b""))


def test_every_kind_has_a_channel(contract: Any) -> None:
    for kind in TYPE_OF_KIND:
        if kind in MARKET:
            assert contract.channel_of(subject("md.7", kind, "A-B.S/USD")) == f"md.{kind}"
            assert contract.channel_of(subject("md.7", kind)) == f"md.{kind}"
        if kind in EXECUTION + BOTH:
            assert contract.channel_of(subject("ex.main", kind, "BTC/USD", "main")) == f"ex.{kind}"
        if kind not in MARKET + EXECUTION or kind == "gap":
            assert contract.channel_of(subject("st", kind)) == f"st.{kind}"


@pytest.mark.parametrize(("kind", "about"), [("stream_status", "BTC/USD"), ("ready", "main"), ("gap", "BTC/USD")])
def test_status_about_a_symbol_or_an_account(contract: Any, kind: str, about: str) -> None:
    assert contract.channel_of(subject("st", kind, about)) == f"st.{kind}.about"
    assert contract.channel_of(subject("st", kind, None, about)) == f"st.{kind}.about"


def test_every_request_has_a_channel_and_an_answer(contract: Any) -> None:
    for struct in wire.ClientRequest.__args__:
        verb = struct.__struct_config__.tag
        assert contract.channel_of(f"gw.sim.kraken.cmd.alice.{verb}") == f"cmd.{verb}"
        operation = contract.document["operations"][f"cmd.{verb}"]
        assert operation["action"] == "receive"
        assert operation["reply"]["channel"] == {"$ref": "#/channels/reply"}
        assert operation["reply"]["messages"]


def test_every_answer_is_on_the_reply_subject(contract: Any) -> None:
    named = contract.document["channels"]["reply"]["messages"].keys()
    assert named == {"envelope"} | {struct.__struct_config__.tag for struct in wire.ServerMessage.__args__}
    used = {
        message["$ref"].rpartition("/")[2]
        for operation in contract.document["operations"].values()
        for message in operation.get("reply", {}).get("messages", [])
    }
    assert used == named


def test_streams_are_named_after_the_class(contract: Any) -> None:
    for name, channel in contract.document["channels"].items():
        journal_class = name.partition(".")[0]
        stream = channel.get("x-stream")
        assert stream == (
            f"gw-{{environment}}-{{venue}}-{journal_class}" if journal_class in ("md", "st", "ex") else None
        )
