"""Recorder: all frames in order, parts of bounded size that begin with how things stood, and what the disk may do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gwcore.capture import CaptureHead, read_frames
from gwcore.runtime.capture import recorder as module
from gwcore.runtime.capture.recorder import LINE_BYTES, Recorder, part_name
from gwcore.testing.storage import MemoryStorage


async def inline(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


def make(storage: MemoryStorage, **settings: int) -> Recorder:
    chosen: dict[str, int] = {"part_bytes_max": 1 << 30, "parts_max": 3} | settings
    return Recorder(storage, "a.frames.jsonl", head=CaptureHead(venue="toy"), offload=inline, **chosen)  # type: ignore[arg-type]


def read(storage: MemoryStorage, name: str) -> list[bytes]:
    return [one.frame for one in read_frames(storage.read(name).splitlines(keepends=True), name)]


def play(recorder: Recorder, frames: range, flush_each: int = 1) -> None:
    async def main() -> None:
        for number in frames:
            recorder.add("md.0", "rx", b'{"n":%d}' % number, number)
            if number % flush_each == 0:
                await recorder.flush()
        await recorder.finish()

    asyncio.run(main())


def test_every_frame_is_there_in_order_and_once() -> None:
    storage = MemoryStorage()
    recorder = make(storage)
    play(recorder, range(1, 1_500), flush_each=700)
    assert read(storage, "a.frames.jsonl") == [b'{"n":%d}' % number for number in range(1, 1_500)]
    assert (recorder.frames, recorder.lost, recorder.bytes) == (1_499, 0, storage.size("a.frames.jsonl"))


@pytest.mark.parametrize(
    ("name", "second"),
    [("a.jsonl", "a.0002.jsonl"), ("2026.5Z.frames.jsonl", "2026.5Z.0002.frames.jsonl"), ("plain", "plain.0002")],
)
def test_names_of_parts(name: str, second: str) -> None:
    assert (part_name(name, 1), part_name(name, 2)) == (name, second)


@pytest.mark.parametrize("flush_each", [1, 7, 1_000])
def test_a_new_part_begins_with_how_things_stood_at_its_first_frame(flush_each: int) -> None:
    storage = MemoryStorage()
    recorder = make(storage, part_bytes_max=10 * (8 + LINE_BYTES), parts_max=100)
    seen: list[int] = []
    recorder.opening = lambda: [b'{"rx_ns":1,"frame":{"after":%d}}\n' % recorder.frames]
    play(recorder, range(1, 45), flush_each=flush_each)
    names = [part_name("a.frames.jsonl", number + 1) for number in range(len(storage.list()))]
    assert len(names) >= 4
    for number, name in enumerate(names):
        assert storage.size(name) <= 10 * (8 + LINE_BYTES) + 200
        opening, *frames = read(storage, name) if number else [b"", *read(storage, name)]
        if number:
            assert opening == b'{"after":%d}' % len(seen)
        seen += [int(frame[5:-1]) for frame in frames]
    assert seen == list(range(1, 45))


def test_only_the_newest_parts_are_kept() -> None:
    storage = MemoryStorage()
    recorder = make(storage, part_bytes_max=5 * (8 + LINE_BYTES), parts_max=2)
    play(recorder, range(1, 60))
    assert len(storage.list()) == 2
    assert read(storage, max(storage.list()))[-1] == b'{"n":59}'


def test_what_cant_wait_is_lost_and_the_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES_MAX", 10 * (8 + LINE_BYTES))
    storage = MemoryStorage()
    recorder = make(storage)
    play(recorder, range(1, 31), flush_each=1_000)
    assert recorder.lost == 20 == 30 - recorder.frames
    assert len(read(storage, "a.frames.jsonl")) == 10
    assert storage.read("a.frames.jsonl").endswith(b'{"lost_frames":20}\n')


@pytest.mark.parametrize("capacity_bytes", [0, 2_000])
def test_a_full_disk_ends_the_recording_and_nothing_else(capacity_bytes: int, caplog: pytest.LogCaptureFixture) -> None:
    storage = MemoryStorage(capacity_bytes=capacity_bytes)
    recorder = make(storage)
    told: list[str] = []
    recorder.on_failed = told.append
    play(recorder, range(1, 200))
    assert recorder.failed is not None
    assert told == [recorder.failed]
    assert recorder.lost > 0
    assert caplog.text.count("the recording ends") == 1


def test_the_reserve_is_kept() -> None:
    recorder = make(MemoryStorage(capacity_bytes=1_000), part_bytes_max=500, reserve_bytes=600)
    play(recorder, range(1, 5))
    assert "too little space" in (recorder.failed or "")


def test_a_recording_of_nothing_is_a_file_without_frames() -> None:
    storage = MemoryStorage()
    asyncio.run(make(storage).finish())
    assert read(storage, "a.frames.jsonl") == []
