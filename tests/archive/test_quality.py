"""`gw quality`: figures against a count of the same day by hand, over midnight, a kill and a restart."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest
from click.testing import CliRunner

from gwcore.archive.quality import day_quality
from gwcore.archive.reader import day_start_ns
from gwcore.cli.main import main
from gwcore.cli.quality import command
from gwcore.errors import StorageError
from gwcore.model import UpdateType
from gwcore.wire import decode_envelope

DAY1, DAY2 = "2026-11-22", "2026-11-23"
MIDNIGHT_NS = day_start_ns(DAY2)
S = 10**9


def live_times(runs) -> dict[str, list[tuple[int, int]]]:
    """symbol -> times its book was LIVE, by its events and the last record of each run, from the journal."""
    records = sorted(runs.journalled("md") + runs.journalled("st"), key=lambda record: record.published_ns)
    first_run = {record.session_id for record in records if record.published_ns < MIDNIGHT_NS}
    ended = max(record.published_ns for record in records if record.session_id in first_run)
    found: dict[str, list[tuple[int, int]]] = {}
    since: dict[str, int] = {}
    for record in records:
        if record.kind != "market_by_price":
            continue
        symbol = record.symbol
        if since.get(symbol, ended + 1) <= ended < record.published_ns:
            found.setdefault(symbol, []).append((since.pop(symbol), ended))
        if record.update_type is UpdateType.STALE:
            if symbol in since:
                found.setdefault(symbol, []).append((since.pop(symbol), record.published_ns))
        else:
            since.setdefault(symbol, record.published_ns)
    return found


def test_the_times_a_book_was_live(runs) -> None:
    for day, begin_ns in ((DAY1, day_start_ns(DAY1)), (DAY2, MIDNIGHT_NS)):
        found = day_quality(runs.storage, day)
        for symbol, spans in live_times(runs).items():
            expected = sum(max(0, min(end, begin_ns + 86_400 * S) - max(start, begin_ns)) for start, end in spans)
            assert found.symbols[symbol].live_ns == expected, (day, symbol)
        assert len(found.symbols) == 4


def test_the_times_a_gateway_ran(runs) -> None:
    [before] = day_quality(runs.storage, DAY1).runs
    assert before.end_ns == MIDNIGHT_NS
    assert 19 * S < before.end_ns - before.begin_ns < 20.1 * S
    first, second = day_quality(runs.storage, DAY2).runs
    assert first.begin_ns == MIDNIGHT_NS
    assert 17 * S < first.end_ns - first.begin_ns < 19.5 * S
    assert 39 * S < second.end_ns - second.begin_ns < 41 * S


def test_reasons_resubscribes_gaps_and_latencies(runs) -> None:
    records = [record for record in runs.journalled("md") if record.published_ns >= MIDNIGHT_NS]
    found = day_quality(runs.storage, DAY2)
    expected = Counter(
        (record.symbol, decode_envelope(record.payload).event.reason.value)
        for record in records
        if record.kind == "market_by_price" and record.update_type is UpdateType.STALE
    )
    assert {(symbol, reason): n for symbol, one in found.symbols.items() for reason, n in one.stale.items()} == expected
    assert expected["BTC/USD", "CHECKSUM"] == 1
    assert (found.symbols["BTC/USD"].resubscribes, found.symbols["ETH/USD"].resubscribes) == (1, 0)
    gaps = Counter(record.symbol for record in records + runs.journalled("st") if record.kind == "gap")
    assert sum(sum(one.gaps.values()) for one in found.symbols.values()) == sum(gaps[s] for s in gaps if s)
    late = sorted(
        envelope.header.published_ns - envelope.header.received_ns
        for envelope in (decode_envelope(record.payload) for record in records if record.symbol == "BTC/USD")
        if type(envelope.event).__name__ in ("MarketByPriceUpdate", "TradeSummary")
        and envelope.event.update_type is UpdateType.INCREMENTAL
        and envelope.header.received_ns is not None
    )
    histogram = found.symbols["BTC/USD"].publish
    assert histogram.count == len(late)
    assert late[len(late) // 2] <= histogram.quantile_ns(0.5) <= max(8, late[len(late) // 2] * 1.3)


def test_a_quiet_book_stands_as_it_stood_when_the_day_began(make_archive, record) -> None:
    """Nothing is said of a book on the second day: what the day before left it as holds while the gateway runs."""
    eve = MIDNIGHT_NS - 5 * S
    batch = [
        record("snapshot", symbol="LIVE/USD", time_ns=eve),
        record("snapshot", symbol="BAD/USD", time_ns=eve),
        record("snapshot", symbol="HEALS/USD", time_ns=eve),
        record("stale", symbol="BAD/USD", time_ns=eve + 1),
        record("stale", symbol="HEALS/USD", time_ns=eve + 1),
        record("trade", symbol="LIVE/USD", time_ns=MIDNIGHT_NS + 10 * S),
        record("snapshot", symbol="HEALS/USD", time_ns=MIDNIGHT_NS + 20 * S),
        record("trade", symbol="LIVE/USD", time_ns=MIDNIGHT_NS + 50 * S),
    ]
    found = day_quality(make_archive(batch), DAY2)
    assert [(run.begin_ns, run.end_ns) for run in found.runs] == [(MIDNIGHT_NS, MIDNIGHT_NS + 50 * S)]
    live = {symbol: one.live_ns / S for symbol, one in found.symbols.items()}
    assert live == {"LIVE/USD": 50.0, "HEALS/USD": 30.0}
    assert found.live_share_of_run("HEALS/USD") == 0.6


def test_the_command(runs) -> None:
    result = CliRunner().invoke(command, ["--day", DAY2, "--state-dir", str(runs.state_dir), "--output", "json"])
    assert result.exit_code == 0, result.output
    found = orjson.loads(result.stdout)
    btc = found["symbols"]["BTC/USD"]
    assert btc["stale"]["CHECKSUM"] == 1
    assert 0.9 < btc["live_share_of_run"] < 1.0
    assert btc["live_share_of_day"] == pytest.approx(btc["live_ns"] / 86_400e9, abs=1e-6)
    assert set(btc["publish_ns"]) == {"p50", "p99"}
    text = CliRunner().invoke(command, ["--day", DAY2, "--archive", str(runs.archive)]).stdout
    assert text.splitlines()[3].split()[:3] == ["symbol", "%", "live"]
    assert any(line.startswith("BTC/USD") and "CHECKSUM 1" in line for line in text.splitlines())


def test_a_day_that_is_not_there(runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "--day", "2026-11-24", "--archive", str(runs.archive)]) == 1
    assert "nothing of 2026-11-24: it has 2026-11-22 to 2026-11-23" in capsys.readouterr().err
    assert main(["quality", "--day", "2026-13-01", "--archive", str(runs.archive)]) == 2
    assert '"2026-13-01" is no day' in capsys.readouterr().err


def test_a_damaged_file_is_named(spoilt) -> None:
    path = min(spoilt.archive.glob("trade_summary/*-23/*.zst"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StorageError, match=f"{path.name}: cut short"):
        day_quality(spoilt.storage, DAY2)


def test_without_a_manifest_the_lines_are_enough(spoilt) -> None:
    whole = day_quality(spoilt.storage, DAY1)
    for path in spoilt.archive.glob("*/*-22/*.manifest.json"):
        path.unlink()
    found = day_quality(spoilt.storage, DAY1)
    assert {symbol: one.stale for symbol, one in found.symbols.items()} == {
        symbol: one.stale for symbol, one in whole.symbols.items()
    }
    assert found.warnings
