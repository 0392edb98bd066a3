"""`gw log explain`: the frame an event came from, out of incidents and recordings, or a plain word that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from gwcore.capture import CaptureHead, frame_line, head_line
from gwcore.cli.main import main
from gwcore.engine.publisher import Publisher
from gwcore.journal import Journal
from gwcore.model import Event, GatewayState, GatewayStatus, MarketByPriceUpdate, TopOfBook, UpdateType
from gwcore.runtime.clock import SystemClock, SystemIds
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.settings import JournalSettings

TIME_NS = 1_696_613_755_440_295_000


def frame(symbol: str, checksum: int = 1) -> bytes:
    return (
        b'{"channel":"book","type":"update","data":[{"symbol":"%b","bids":[],"asks":[],"checksum":%d,'
        b'"timestamp":"2023-10-06T17:35:55.440295Z"}]}' % (symbol.encode(), checksum)
    )


def book(symbol: str, checksum: int = 1) -> MarketByPriceUpdate:
    return MarketByPriceUpdate(
        symbol=symbol, update_type=UpdateType.INCREMENTAL, checksum=checksum, venue_time_ns=TIME_NS
    )


def publish(state: Path, *events: tuple[str, Event, int | None]) -> list[str]:
    """Journal these (partition, event, received_ns); returns their ids."""
    journal = Journal(DirectoryStorage(state), SystemClock(), JournalSettings())
    ids: list[str] = []
    publisher = Publisher(
        venue="kraken",
        source="me",
        clock=SystemClock(),
        ids=SystemIds(),
        journal=journal,
        on_record=lambda record, event, partition: ids.append(record.event_id),
    )
    for partition, event, received_ns in events:
        publisher.publish(publisher.partition(partition), event, received_ns)
    journal.commit()
    journal.close()
    return ids


def capture(state: Path, name: str, *lines: bytes) -> None:
    (state / name).parent.mkdir(exist_ok=True)
    (state / name).write_bytes(head_line(CaptureHead(venue="kraken")) + b"".join(lines))


def explain(event_id: str, state: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> tuple[int, bytes, str]:
    capfdbinary.readouterr()
    code = main(["log", "explain", event_id, "--state-dir", str(state)])
    out, err = capfdbinary.readouterr()
    return code, out, err.decode()


def test_the_frame_of_an_event(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (one,) = publish(tmp_path, ("md.0", book("A/B"), 77))
    other = frame("A/B", 2)
    capture(
        tmp_path,
        "recordings/x.frames.jsonl",
        frame_line(77, "md.1", "rx", other),
        frame_line(77, "md.0", "tx", other),
        frame_line(77, "md.0", "rx", other, synthetic=True),
        frame_line(76, "md.0", "rx", other),
        frame_line(77, "md.0", "rx", frame("A/B")),
        frame_line(78, "md.0", "rx", other),
    )
    code, out, err = explain(one, tmp_path, capfdbinary)
    assert (code, out) == (0, frame("A/B") + b"\n")
    assert err == "recordings/x.frames.jsonl line 6: md.0, received_ns 77\n"


def test_of_frames_of_one_read_the_one_that_says_it(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    top = TopOfBook(symbol="C/D", update_type=UpdateType.SNAPSHOT, venue_time_ns=TIME_NS)
    ids = publish(tmp_path, ("md.0", book("A/B", 2), 77), ("md.0", book("C/D", 3), 77), ("md.0", top, 77))
    frames = [frame("A/B", 1), frame("A/B", 2), b"{oops", frame("C/D", 3)]
    capture(tmp_path, "incidents/x.frames.jsonl", *(frame_line(77, "md.0", "rx", one) for one in frames))
    assert [explain(one, tmp_path, capfdbinary)[1] for one in ids] == [
        frame("A/B", 2) + b"\n",
        frame("C/D", 3) + b"\n",
        frame("C/D", 3) + b"\n",
    ]


def test_the_cause_of_a_stale_is_the_last_frame_of_its_incident(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (stale,) = publish(tmp_path, ("md.0", MarketByPriceUpdate(symbol="A/B", update_type=UpdateType.STALE), None))
    session_id = stale.partition(":")[0]
    (tmp_path / "incidents").mkdir()
    lines = [frame_line(number, "md.0", "rx", frame("A/B", number)) for number in (1, 2)]
    lines.append(frame_line(3, "md.0", "tx", b"{}"))
    head = CaptureHead(reason="CHECKSUM", session_id=session_id, sequences=(1, 2))
    (tmp_path / "incidents" / "x.frames.jsonl").write_bytes(head_line(head) + b"".join(lines))
    assert explain(stale, tmp_path, capfdbinary)[:2] == (0, frame("A/B", 2) + b"\n")


def test_no_capture_holds_it(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    status = GatewayStatus(state=GatewayState.READY)
    event, own = publish(tmp_path, ("md.0", book("A/B"), 77), ("st", status, None))
    code, out, err = explain(event, tmp_path, capfdbinary)
    assert (code, out) == (1, b"")
    assert "no capture holds the bytes" in err
    assert "0 files" in err
    assert "gw run --record" in err
    code, out, err = explain(own, tmp_path, capfdbinary)
    assert (code, out) == (1, b"")
    assert "the gateway said it by itself" in err
    session_id = event.partition(":")[0]
    code, out, err = explain(f"{session_id}:999", tmp_path, capfdbinary)
    assert (code, out) == (1, b"")
    assert "no event" in err


def test_a_damaged_capture_is_told_and_the_others_are_read(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (one,) = publish(tmp_path, ("md.0", book("A/B"), 77))
    capture(tmp_path, "incidents/a.frames.jsonl", b'{"rx_ns":77,oops\n')
    (tmp_path / "incidents" / "b.frames.jsonl").mkdir()
    (tmp_path / "incidents" / "c.frames.jsonl").write_bytes(b"\xff\x00")
    capture(tmp_path, "recordings/x.frames.jsonl", frame_line(77, "md.0", "rx", frame("A/B")))
    code, out, err = explain(one, tmp_path, capfdbinary)
    assert (code, out) == (0, frame("A/B") + b"\n")
    assert "a.frames.jsonl:2: no line of a capture" in err
    assert "b.frames.jsonl" in err


@pytest.mark.parametrize("event_id", ["x", "a:0", "a:-1", "a:b", "", "ä:1", "a:1:2"])
def test_what_is_no_id(event_id: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, _, err = explain(event_id, tmp_path, capfdbinary)
    assert code == 2
    assert "is no event id" in err


def test_a_folder_without_a_journal(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, _, err = explain("a:1", tmp_path, capfdbinary)
    assert code == 2
    assert "no journal in" in err
