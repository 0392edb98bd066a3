"""`gw tail`, `gw book`, `gw symbols`, `gw watch` against a gateway on a real socket."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gwcore.cli.gateways import find_socket
from gwcore.cli.main import main
from gwcore.cli.watch_rows import Rows, duration_text
from gwcore.errors import ConfigError
from gwcore.model import Envelope, Event, Header, StaleReason, StreamState, StreamStatus
from gwcore.testing.events import book_change, book_snapshot, book_stale, reference, top, trade


def token_of(text: str) -> Any:
    return json.loads(text.rpartition("resume token: ")[2])


def test_tail_prints_the_bytes_as_they_are(gateway: Any, capfdbinary: Any) -> None:
    payloads = gateway.publish(book_snapshot(), trade(), book_change(bids=["1.0x1.00"]))
    code = main(["tail", "--unix-path", str(gateway.path), "--from", "start", "--count", "3"])
    out, err = capfdbinary.readouterr()
    assert code == 0
    assert out == b"".join(payload + b"\n" for payload in payloads)
    assert token_of(err.decode()) == {"md.0": ["S1", 3]}


@pytest.mark.parametrize("as_file", [True, False])
def test_tail_goes_on_from_a_token(gateway: Any, capfdbinary: Any, tmp_path: Path, as_file: bool) -> None:
    payloads = gateway.publish(trade(trade_id="1"), trade(trade_id="2"), trade(trade_id="3"))
    socket = ["--unix-path", str(gateway.path)]
    main(["tail", *socket, "--from", "start", "--count", "1"])
    token = json.dumps(token_of(capfdbinary.readouterr().err.decode()))
    if as_file:
        (tmp_path / "token").write_text(token)
        token = str(tmp_path / "token")
    assert main(["tail", *socket, "--from", token, "--count", "2"]) == 0
    assert capfdbinary.readouterr().out.splitlines() == payloads[1:]


def test_tail_selects(gateway: Any, capfd: Any) -> None:
    gateway.publish(trade("BTC/USD"), trade("ETH/USD"), top("ETH/USD"), trade("SOL/USD"))
    arguments = ["--from", "start", "--symbols", "E*,S*", "--kinds", "trade_summary", "--count", "2"]
    assert main(["tail", "--unix-path", str(gateway.path), *arguments]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line)["event"]["symbol"] for line in lines] == ["ETH/USD", "SOL/USD"]


def test_tail_ends_at_its_timeout(gateway: Any, capfd: Any) -> None:
    gateway.publish(trade())
    arguments = ["tail", "--unix-path", str(gateway.path), "--from", "start", "--timeout", "0.05"]
    assert main(arguments) == 0
    assert main([*arguments, "--count", "5"]) == 1
    assert len(capfd.readouterr().out.splitlines()) == 2


def test_tail_ends_with_the_gateway(gateway: Any, capfd: Any) -> None:
    gateway.on_subscribed(lambda: [session.end("the day is over") for session in list(gateway.port.sessions)])
    assert main(["tail", "--unix-path", str(gateway.path)]) == 0
    assert "the gateway closed: the day is over" in capfd.readouterr().err
    gateway.on_subscribed(lambda: [session.end("the day is over") for session in list(gateway.port.sessions)])
    assert main(["tail", "--unix-path", str(gateway.path), "--count", "1"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--from", "nowhere"], 2, "can't read a resume token"),
        (["--from", "{}x"], 2, "--from: no resume token"),
        (["--kinds", "trade_sumary"], 2, 'did you mean "trade_summary"?'),
        (["--count", "0"], 2, "--count"),
        (["--symbols", "NONE/SUCH"], 1, "unknown_symbol: refused"),
        (["--name", "x"], 2, "give one of them"),
    ],
)
def test_tail_refuses_in_one_sentence(gateway: Any, capfd: Any, arguments: list[str], code: int, words: str) -> None:
    assert main(["tail", "--unix-path", str(gateway.path), *arguments]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err


def test_nobody_there_is_exit_code_three(tmp_path: Path, capfd: Any) -> None:
    for name in (["tail"], ["book", "BTC/USD"], ["symbols"], ["watch"]):
        assert main([*name, "--unix-path", str(tmp_path / "gw.sock")]) == 3
        assert "is the gateway running?" in capfd.readouterr().err


def test_book_prints_both_sides(gateway: Any, capfd: Any) -> None:
    gateway.publish(book_snapshot(), book_snapshot("ETH/USD"))
    assert main(["book", "BTC/USD", "--unix-path", str(gateway.path), "--levels", "1"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("BTC/USD  LIVE")
    assert lines[2].split() == ["1.00", "100.0", "100.5", "1.00"]
    assert len(lines) == 3


def test_book_as_json(gateway: Any, capfd: Any) -> None:
    gateway.publish(book_snapshot())
    assert main(["book", "BTC/USD", "--unix-path", str(gateway.path), "--output", "json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["state"], document["bids"]) == ("LIVE", [["100.0", "1.00"], ["99.5", "2.00"]])


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_stale_book_is_refused_with_the_reason(gateway: Any, capfd: Any, output: str) -> None:
    gateway.publish(book_snapshot(), book_stale())
    assert main(["book", "BTC/USD", "--unix-path", str(gateway.path), "--output", output]) == 1
    out, err = capfd.readouterr()
    assert "the book of BTC/USD is STALE" in err
    assert "100.0" not in out


def test_book_of_nothing(gateway: Any, capfd: Any) -> None:
    assert main(["book", "BTC/USD", "--unix-path", str(gateway.path)]) == 1
    assert "keeps no book of BTC/USD" in capfd.readouterr().err
    assert main(["book", "BTC/*", "--unix-path", str(gateway.path)]) == 2


def test_symbols(gateway: Any, capfd: Any) -> None:
    gateway.publish(reference("ETH/USD"), reference("BTC/USD"), book_snapshot())
    assert main(["symbols", "--unix-path", str(gateway.path)]) == 0
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()] == ["SYMBOL", "BTC/USD", "ETH/USD"]
    assert main(["symbols", "E*", "--unix-path", str(gateway.path), "--output", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["symbol"] == "ETH/USD"
    assert main(["symbols", "X*", "--unix-path", str(gateway.path)]) == 1


def test_watch_prints_lines_without_a_terminal(gateway: Any, capfd: Any) -> None:
    gateway.publish(book_snapshot(), trade(), book_snapshot("ETH/USD"), book_stale("ETH/USD"))
    assert main(["watch", "--unix-path", str(gateway.path), "--duration", "0.1"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert first.startswith("BTC/USD state=LIVE bid=100.0 ask=100.5 spread=0.5")
    assert second.startswith("ETH/USD state=STALE")


def test_watch_on_a_terminal_ends_at_q_and_leaves_it_as_it_was(gateway: Any) -> None:
    gateway.publish(book_snapshot())
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "30"}
    code = f"from gwcore.cli.main import main; raise SystemExit(main(['watch', '--unix-path', {str(gateway.path)!r}]))"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    shown = b""
    while b"BTC/USD" not in shown:
        shown += os.read(ours, 65536)
    os.write(ours, b"q")
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the end of a terminal
            break
        if not data:
            break
        shown += data
    assert child.wait(20) == 0
    os.close(ours)
    assert b"LIVE" in shown
    assert shown.count(b"\x1b[?1049h") == shown.count(b"\x1b[?1049l") == 1


def test_the_one_gateway_is_found(gateway: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert find_socket(None, None, None) == gateway.path
    assert find_socket(None, None, "toy") == gateway.path
    assert find_socket(None, str(gateway.state_dir), None) == gateway.path
    assert find_socket("/x", None, None) == Path("/x")


def test_none_or_several_gateways(gateway: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match=r"no gateway runs .* give --unix-path"):
        find_socket(None, None, None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    other = tmp_path / "gw" / "other" / "run"
    other.mkdir(parents=True)
    (other / "gw.sock").symlink_to(gateway.path)
    with pytest.raises(ConfigError, match=r"several gateways .*: other, toy .*--name"):
        find_socket(None, None, None)


def envelope(event: Event, published_ns: int = 1_000) -> Envelope:
    header = Header(
        v=1,
        venue="v",
        source="s",
        partition="md.0",
        session_id="S",
        sequence=1,
        received_ns=400,
        published_ns=published_ns,
    )
    return Envelope(header=header, event=event)


def test_rows_measure_rates_and_latency() -> None:
    rows = Rows()
    rows.measure(0)
    rows.apply([envelope(book_snapshot()), *[envelope(trade()) for _ in range(9)]], 3_000)
    rows.measure(2 * 10**9)
    [row] = rows.sorted()
    assert (row.rate, row.gateway_ns, row.client_ns, row.trade, row.spread) == (5.0, 600, 2_000, "100.2", "0.5")
    rows.measure(4 * 10**9)
    assert row.rate == 0.0


def test_rows_show_no_price_they_can_not_vouch_for() -> None:
    rows = Rows()
    rows.apply(
        [envelope(top()), envelope(book_snapshot("ETH/USD")), envelope(book_stale("ETH/USD", StaleReason.CROSSED))], 1
    )
    live, stale = rows.sorted()
    assert (live.state, live.bid) == ("LIVE", "100.0")
    assert (stale.state, stale.reason, stale.bid, stale.spread) == ("STALE", "CROSSED", "", "")
    rows.disconnected("DISCONNECT")
    assert (live.state, live.reason, live.bid) == ("STALE", "DISCONNECT", "")


def test_rows_say_how_a_book_is_got_back() -> None:
    rows = Rows()
    told = StreamStatus(channel="book", symbol="BTC/USD", state=StreamState.QUARANTINED, reason=StaleReason.CHECKSUM)
    rows.apply([envelope(book_snapshot()), envelope(msgspec.structs.replace(told, channel="trade"))], 1)
    [row] = rows.sorted()
    assert row.state == "LIVE"
    rows.apply([envelope(told)], 2)
    assert (row.state, row.reason, row.bid) == ("QUARANTINED", "CHECKSUM", "")
    rows.apply([envelope(book_snapshot())], 3)
    assert row.state == "LIVE"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(None, ""), (-5, "0us"), (85_000, "85us"), (1_200_000, "1.2ms"), (3_400_000_000, "3.4s"), (720 * 10**9, "12m")],
)
def test_durations(nanoseconds: int | None, text: str) -> None:
    assert duration_text(nanoseconds) == text


def test_commands_find_a_gateway_behind_nats(
    nats_gateway: Any, gateway: Any, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = nats_gateway.publish(book_snapshot(), reference(), trade())
    where = ["--address", nats_gateway.address]
    assert main(["tail", *where, "--from", "start", "--count", "3"]) == 0
    assert capfd.readouterr().out.encode() == b"".join(payload + b"\n" for payload in payloads)
    monkeypatch.setenv("GW_ADDRESS", nats_gateway.address)
    assert main(["book", "BTC/USD"]) == 0
    assert main(["symbols"]) == 0
    out = capfd.readouterr().out
    assert "BTC/USD  LIVE" in out
    assert "0.01" in out
    gateway.publish(book_stale())
    assert main(["book", "BTC/USD", "--unix-path", str(gateway.path)]) == 1  # what is written out is meant
    assert "is STALE" not in capfd.readouterr().out
    monkeypatch.delenv("GW_ADDRESS")
    assert main(["tail", *where, "--name", "x"]) == 2
    assert "each choose a gateway" in capfd.readouterr().err
    assert main(["tail", "--address", "nats://127.0.0.1:1"]) == 2
    assert "environment and venue are missing" in capfd.readouterr().err
