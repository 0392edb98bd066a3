"""The file of `gw order batch`: read exactly, or one sentence that names the line, before a gateway is looked for."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import click
import pytest
from click.testing import CliRunner

from gwcore.cli.main import cli
from gwcore.cli.order_batch import create_of, read_batch
from gwcore.engine.orders.requests import BATCH_MAX
from gwcore.wire import REQUEST_BYTES_MAX

GOOD = '{"symbol":"BTC/USD","side":"buy","quantity":"0.1","price":"60000"%s}'


def read(text: str | bytes) -> list[dict[str, Any]]:
    data = text.encode() if isinstance(text, str) else text
    command = click.Command("batch")
    return read_batch(click.Context(command), click.Argument(["file"]), io.BytesIO(data))


def test_numbers_keep_the_digits_that_were_written() -> None:
    [fields] = read('{"symbol":"BTC/USD","side":"buy","quantity":0.10000000000000000001,"price":60000.10}\n\n')
    assert fields["quantity"] == Decimal("0.10000000000000000001")
    form = create_of("main", {"order_id": "a", **fields}, validate_only=True)
    assert (form.quantity, form.price) == ("0.10000000000000000001", "60000.10")
    assert (form.account, form.order_type.value, form.validate_only) == ("main", "LIMIT", True)


def test_every_field_of_an_order_is_taken() -> None:
    close = ',"post_only":true,"time_in_force":"gtc","conditional_close":{"order_type":"limit","price":70000}'
    [fields] = read(GOOD % close)
    form = create_of("main", {"order_id": "a", **fields})
    assert form.post_only
    assert form.conditional_close is not None
    assert (form.conditional_close.order_type.value, form.conditional_close.price) == ("LIMIT", "70000")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x", "line 2: Expecting value"),
        ("[]", "line 2: not an object: write"),
        ("[" * 50_000, "line 2: "),
        ("\x00", "line 2: "),
        ('{"side":"buy"}', "line 2: symbol is missing, or no text"),
        ('{"symbol":"BTC/USD","side":null}', "line 2: side is missing, or no text"),
        ('{"symbol":"BTC/USD","side":"long"}', "line 2: side 'long' is none of BUY, SELL"),
        (GOOD % ',"quantity":1', "line 2: a name is there twice: which is meant?"),
        (GOOD % ',"stop_price":NaN', "line 2: NaN is no number"),
        (GOOD % ',"stop_price":-Infinity', "line 2: -Infinity is no number"),
        (GOOD % ',"stop_price":"1e5"', "line 2: stop_price '1e5' is no decimal number: write it like 0.25"),
        (GOOD % ',"stop_price":true', "line 2: stop_price is a bool: give a Decimal, an int, or text"),
        (GOOD % ',"post_only":"yes"', "line 2: Expected `bool`, got `str` - at `$.post_only`"),
        (GOOD % ',"strategy":5', "line 2: Expected `str | null`, got `int` - at `$.strategy`"),
        (GOOD % ',"account":"main"', "line 2: account is an option of the command, or made by it: leave it out"),
        (GOOD % ',"leverage":"2"', "line 2: a CreateOrder has no leverage: it has "),
        (GOOD % ',"conditional_close":5', "line 2: conditional_close has to be an object with an order_type"),
        (GOOD % ',"order_id":"a"', 'line 2: order_id \'a\' is in line 1 already'),
        ("9" * 5000, "line 2: "),
    ],
)  # fmt: skip
def test_a_line_that_can_not_be_read_is_named(line: str, said: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        read(GOOD % ',"order_id":"a"' + "\n" + line)
    assert caught.value.message.startswith(said), caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", f"0 orders: one request takes 1 to {BATCH_MAX}"),
        ((GOOD % "").encode() * 2, "line 1: Extra data"),
        (b"\n".join([(GOOD % "").encode()] * (BATCH_MAX + 1)), f"{BATCH_MAX + 1} orders: one request takes 1 to"),
        (b" " * (REQUEST_BYTES_MAX + 1), f"more than {REQUEST_BYTES_MAX} bytes"),
        (b'{"symbol":"\xff"}', "line 1: "),
    ],
)
def test_a_file_that_is_no_batch_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        read(text)
    assert caught.value.message.startswith(said), caught.value.message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("batch", "/no/such/file"), "No such file"),
        (("batch",), "Missing argument 'FILE'"),
        (("batch", "-"), "0 orders"),
        (("cancel-all-after", "--", "-1"), "-1 is not in the range x>=0"),
        (("cancel-all-after", "1.5"), "'1.5' is not a valid integer"),
        (("cancel-all-after",), "Missing argument 'SECONDS'"),
        (("cancel",), "Missing argument 'ORDER_ID...'"),
    ],
)
def test_wrong_arguments_need_no_gateway(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(
        cli, ["order", arguments[0], "--account", "x", "--unix-path", "/no/such", *arguments[1:]]
    )
    assert result.exit_code == 2
    assert said in result.output + str(result.exception)


def test_a_shell_completes_them() -> None:
    done = {"_GW_COMPLETE": "bash_complete", "COMP_WORDS": "gw order ", "COMP_CWORD": "2"}
    result = CliRunner(env=done).invoke(cli, [], prog_name="gw")
    assert {"plain,batch", "plain,cancel-all-after"} <= set(result.output.split())
