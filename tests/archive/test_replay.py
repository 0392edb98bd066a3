"""`gw replay`: clients get what was recorded, byte for byte and in order, and can't tell it from a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from gwcore.archive import reader
from gwcore.archive.reader import day_start_ns
from gwcore.client.book import BookState
from gwcore.client.session import Delivery
from gwcore.engine.clients import history
from gwcore.engine.clients.playback import CAUSE_NEW_RUN
from gwcore.errors import StorageError
from gwcore.journal.scan import RecordFilter
from gwcore.model import MarketByPriceUpdate, Record
from gwcore.runtime.capture.recordings import ArchiveRecording, JournalRecording, Recording
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.loop import SimLoop, run
from gwcore.wire import Goodbye, RequestError

MIDNIGHT_NS = day_start_ns("2026-11-23")
S = 10**9


def play(work: Callable[[SimLoop], Coroutine[Any, Any, Any]]) -> Any:
    return run(work, seed=1, inline_executor=True)


def recordings(runs, **times: Any) -> dict[str, Recording]:
    topics = RecordFilter()
    return {
        "journal": JournalRecording(DirectoryStorage(runs.state_dir), topics),
        "archive": ArchiveRecording(runs.storage, topics, from_ns=times.get("from_ns"), to_ns=times.get("to_ns")),
    }


def by_partition(payloads: Sequence[bytes], runs) -> dict[str, list[bytes]]:
    known = {record.payload: record for name in ("md", "st") for record in runs.journalled(name)}
    found: dict[str, list[bytes]] = {}
    for payload in payloads:
        found.setdefault(known[payload].partition, []).append(payload)
    return found


def expected(runs, wanted: Callable[[Record], bool] = lambda record: True) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for record in runs.journalled("md") + runs.journalled("st"):
        if wanted(record):
            found.setdefault(record.partition, []).append(record.payload)
    return found


@pytest.mark.parametrize("source", ["journal", "archive"])
def test_a_client_gets_all_of_both_runs(replay_stage, runs, source: str) -> None:
    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs)[source])
        await stage.start()
        await asyncio.sleep(5)
        first = stage.client("first")
        welcome = stage.sessions["first"].welcome
        assert (welcome.venue, welcome.source, welcome.environment) == ("kraken", "kraken", "replay")
        played = await stage.end()
        await first
        assert by_partition(stage.payloads("first"), runs) == expected(runs)
        assert played == len(stage.payloads("first"))
        assert {gap.cause for gap in stage.gaps("first")} == {CAUSE_NEW_RUN}
        assert {gap.partition for gap in stage.gaps("first")} == {"md.0", "md.1", "st"}
        assert stage.sessions["first"].gaps == 0
        assert isinstance(stage.items["first"][-1], Goodbye)
        assert stage.items["first"][-1].reason == "the replay is over"
        assert stage.replay.rounds == 1

    play(work)


@pytest.mark.parametrize("source", ["journal", "archive"])
def test_a_late_client_is_told_the_state_then_every_increment(replay_stage, runs, source: str) -> None:
    """Books of a client that came late end as those of one that saw everything; nobody finds a hole."""

    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs)[source], speed=1.0)
        await stage.start()
        clients = [stage.client("first", pump_s=0.05)]
        await stage.pause(27.3)
        clients.append(stage.client("late", pump_s=0.05))
        state = [item for item in stage.items["late"] if isinstance(item, Delivery)]
        told = [item.envelope.event for item in state if item.envelope.header.sequence is None]
        assert {event.symbol for event in told if isinstance(event, MarketByPriceUpdate)} >= {"BTC/USD", "ETH/USD"}
        books, others = (stage.sessions[name].books for name in ("first", "late"))
        for symbol in ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD"):
            assert others[symbol].state is BookState.LIVE
            assert others[symbol].bids() == books[symbol].bids()
        await stage.pause(60)
        for symbol in ("BTC/USD", "ETH/USD"):
            assert others[symbol].state is books[symbol].state is BookState.LIVE
            assert others[symbol].asks() == books[symbol].asks()
        await stage.end()
        await asyncio.gather(*clients)
        late = stage.payloads("late")
        assert 0 < len(late) < len(stage.payloads("first"))
        assert stage.payloads("first")[-len(late) :] == late
        assert stage.sessions["late"].gaps == 0

    play(work)


def test_it_takes_the_time_it_took(replay_stage, runs) -> None:
    records = runs.journalled("md") + runs.journalled("st")
    took_s = (max(r.published_ns for r in records) - min(r.published_ns for r in records)) / S

    def time_at(speed: float) -> float:
        async def work(loop: SimLoop) -> float:
            stage = replay_stage(loop, recordings(runs)["archive"], speed=speed, wait_for_client=False)
            began_s = loop.time()
            await stage.start()
            await stage.end()
            return loop.time() - began_s

        return play(work)

    assert time_at(1.0) == pytest.approx(took_s, rel=0.01)
    assert time_at(10.0) == pytest.approx(took_s / 10, rel=0.01)
    assert time_at(0.0) < 0.1


def test_between_two_runs_no_book_is_live(replay_stage, runs) -> None:
    """The first run was killed: nothing was published about its books. 20 s later the second one begins."""

    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs)["journal"], speed=1.0)
        await stage.start()
        client = stage.client("first", pump_s=0.05)
        books = stage.sessions["first"].books
        await stage.pause(38)
        assert books["BTC/USD"].state is BookState.LIVE
        await asyncio.sleep(
            23.2
        )  # the second run's first words are of its partition st; books come with their partition
        assert {gap.cause for gap in stage.gaps("first")} == {CAUSE_NEW_RUN}
        assert books["BTC/USD"].state is not BookState.LIVE
        await stage.end()
        await client

    play(work)


@pytest.mark.parametrize("source", ["journal", "archive"])
def test_from_and_to(replay_stage, runs, source: str) -> None:
    """The state at `from` comes first, and is what a client that was there from the start has then."""
    from_ns, to_ns = MIDNIGHT_NS + 3 * S, MIDNIGHT_NS + 15 * S

    async def work(loop: SimLoop) -> None:
        chosen = recordings(runs, from_ns=from_ns, to_ns=to_ns)[source]
        stage = replay_stage(loop, chosen, from_ns=from_ns, to_ns=to_ns)
        await stage.start()
        client = stage.client("first")
        books = stage.sessions["first"].books
        assert books["BTC/USD"].state is BookState.LIVE
        assert len(books["BTC/USD"].bids()) == 10
        await stage.end()
        await client
        wanted = expected(runs, lambda record: from_ns <= record.published_ns <= to_ns)
        assert by_partition(stage.payloads("first"), runs) == wanted
        assert stage.sessions["first"].gaps == 0

    play(work)


@pytest.mark.parametrize("source", ["journal", "archive"])
def test_from_start_and_resume_reach_back(replay_stage, runs, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what is in memory too, and while the replay goes on."""
    monkeypatch.setattr(history, "TAIL_RECORDS", 100)
    monkeypatch.setattr(history, "SCAN_RECORDS", 70)
    monkeypatch.setattr(history, "MARK_EVERY", 16)

    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs, to_ns=None)[source], speed=1.0, to_ns=MIDNIGHT_NS + 17 * S)
        await stage.start()
        clients = [stage.client("first", pump_s=0.05)]
        await stage.pause(20)
        token = stage.sessions["first"].token
        before = stage.payloads("first")
        await stage.pause(12)
        clients += [stage.client("start", 0.01, from_start=True), stage.client("resumed", 0.01, resume=token)]
        await stage.end()
        await asyncio.gather(*clients)
        everything = stage.payloads("first")
        assert by_partition(stage.payloads("start"), runs) == by_partition(everything, runs)
        assert by_partition(stage.payloads("resumed"), runs) == by_partition(everything[len(before) :], runs)
        assert stage.sessions["start"].gaps == stage.sessions["resumed"].gaps == 0

    play(work)


def test_it_waits_for_a_slow_client_and_loses_nothing(replay_stage, runs) -> None:
    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs)["journal"])
        await stage.start()
        clients = [stage.client("quick"), stage.client("slow", pump_s=2.0)]
        await stage.end()
        await asyncio.gather(*clients)
        assert stage.payloads("slow") == stage.payloads("quick")
        assert by_partition(stage.payloads("slow"), runs) == expected(runs)
        assert {gap.cause for gap in stage.gaps("slow")} == {CAUSE_NEW_RUN}

    play(work)


def test_a_client_that_never_reads_does_not_hold_it_for_ever(replay_stage, runs) -> None:
    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs)["journal"])
        await stage.start()
        quick = stage.client("quick")
        stuck = stage.client("stuck", pump_s=1e6)
        assert await stage.end() == len(runs.journalled("md")) + len(runs.journalled("st"))
        await quick
        assert by_partition(stage.payloads("quick"), runs) == expected(runs)
        stuck.cancel()

    play(work)


def test_topics_are_chosen(replay_stage, runs) -> None:
    def wanted(record: Record) -> bool:
        return record.kind in ("trade_summary", "market_by_price") and record.symbol in ("BTC/USD", "ETH/USD")

    topics = RecordFilter(symbols=["BTC/*", "ETH/*"], kinds=["trade_summary", "market_by_price"])
    sources = [
        JournalRecording(DirectoryStorage(runs.state_dir), topics),
        ArchiveRecording(runs.storage, topics, from_ns=None, to_ns=None),
    ]
    for source in sources:

        async def work(loop: SimLoop, source: Recording = source) -> None:
            stage = replay_stage(loop, source, filtered=True)
            await stage.start()
            refused = stage.client("everything")
            client = stage.client("first", kinds=["trade_summary", "market_by_price"])
            [complaint] = [item for item in stage.items["everything"] if isinstance(item, RequestError)]
            assert "subscribe to those by name or glob" in complaint.text
            await stage.end()
            await asyncio.gather(client, refused)
            assert by_partition(stage.payloads("first"), runs) == expected(runs, wanted)
            assert stage.sessions["first"].gaps == 0

        play(work)


def test_loop_begins_again(replay_stage, runs) -> None:
    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs)["journal"], loop=True, to_ns=MIDNIGHT_NS)
        await stage.start()
        for name in ("one", "two"):
            await stage.client(name)
            assert stage.items[name][-1].reason == "the replay begins again"
        assert stage.payloads("one") == stage.payloads("two")
        stage.replay.request_stop()
        assert await stage.end() == 2 * len(stage.payloads("one"))

    play(work)


def test_what_can_not_be_asked_of_it(replay_stage, runs) -> None:
    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs)["journal"], from_ns=MIDNIGHT_NS)
        await stage.start()
        client = stage.client("first", from_start=True)
        [complaint] = [item for item in stage.items["first"] if isinstance(item, RequestError)]
        assert complaint.text.endswith("subscribe without from_start, the state comes first")
        stage.replay.request_stop()
        assert await stage.end() == 0
        await client
        assert stage.items["first"][-1].reason == "the replay was stopped"

    play(work)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"from_ns": MIDNIGHT_NS + 86_400 * S}, "older than --from"),
        ({"from_ns": MIDNIGHT_NS + 25 * S, "to_ns": MIDNIGHT_NS + 30 * S}, "between these times"),
    ],
)
def test_nothing_to_replay(replay_stage, runs, options: dict[str, int], said: str) -> None:
    async def work(loop: SimLoop) -> None:
        stage = replay_stage(loop, recordings(runs)["journal"], wait_for_client=False, **options)
        with pytest.raises(StorageError, match=said):
            await stage.replay.run()

    play(work)


def test_no_topic_matches(replay_stage, runs) -> None:
    async def work(loop: SimLoop) -> None:
        topics = RecordFilter(kinds=["order_ack"])
        stage = replay_stage(loop, ArchiveRecording(runs.storage, topics, from_ns=None, to_ns=None))
        with pytest.raises(StorageError, match="no event of these kinds and symbols"):
            await stage.replay.run()

    play(work)


def test_a_damaged_file_ends_it_with_its_name(replay_stage, spoilt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LOOKAHEAD_LINES", 8)
    path = max(spoilt.archive.glob("trade_summary/*-23/*.zst"))
    path.write_bytes(path.read_bytes()[:-30])

    async def work(loop: SimLoop) -> None:
        recording = ArchiveRecording(spoilt.storage, RecordFilter(), from_ns=None, to_ns=None)
        stage = replay_stage(loop, recording)
        await stage.start()
        client = stage.client("first")
        with pytest.raises(StorageError, match=f"{path.name}: cut short"):
            await stage.end()
        await client
        assert path.name in stage.items["first"][-1].reason
        assert len(stage.payloads("first")) > 1000

    play(work)
