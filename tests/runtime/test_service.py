"""What the service manager is told, over a real datagram socket: when it is ready, and food only while all parts move."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gwcore.journal import Journal
from gwcore.model import Record
from gwcore.runtime.beat import Beat
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.journal import committer as committer_module
from gwcore.runtime.journal.committer import Committer
from gwcore.runtime.observability.service import STATUS_MAX, Notifier, ServiceWatch, find_notifier
from gwcore.settings import JournalSettings
from gwcore.testing.service_manager import ServiceManager
from gwcore.testing.storage import MemoryStorage

WATCHDOG_S = 8.0


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServiceManager]:
    path = str(tmp_path / "notify")
    manager = ServiceManager(path if request.param == "path" else f"@gw-test-{os.getpid()}-{id(request)}")
    yield manager
    manager.close()


class Play:
    """A watch over a gateway that the test plays: what is stuck, what is live, what time it is."""

    def __init__(self, manager: ServiceManager, watchdog_s: float | None = WATCHDOG_S) -> None:
        self.stuck: list[str] = []
        self.is_live = False
        self.status = "not ready: connection md.0 is down"
        self.now_s = 1000.0
        self.notifier = Notifier(manager.address, watchdog_s)
        self.watch = ServiceWatch(
            self.notifier,
            stuck=lambda: self.stuck,
            is_live=lambda: self.is_live,
            status=lambda: self.status,
            shutdown_s=10.0,
            time_s=lambda: self.now_s,
        )

    def pulse(self, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.watch.pulse()


@pytest.fixture
def play(manager: ServiceManager) -> Iterator[Play]:
    play = Play(manager)
    yield play
    play.notifier.close()


def test_ready_is_said_once_and_not_before_a_symbol_is_live(play: Play, manager: ServiceManager) -> None:
    for _ in range(3):
        play.pulse(1.0)
    assert "READY" not in manager.names()
    play.is_live = True
    play.pulse(1.0)
    assert {"READY": "1"} in manager.heard()
    play.pulse(1.0)
    assert "READY" not in manager.names()


def test_a_start_that_moves_is_given_more_time_and_one_that_is_stuck_is_not(
    play: Play, manager: ServiceManager
) -> None:
    play.pulse()
    assert {"EXTEND_TIMEOUT_USEC": "30000000"} in manager.heard()
    play.stuck = ["discovery has been stuck for 301 s"]
    play.pulse(60.0)
    assert manager.names() == {"STATUS"}
    play.stuck, play.is_live = [], True
    play.pulse(1.0)
    assert "EXTEND_TIMEOUT_USEC" not in manager.names()


def test_the_watchdog_is_fed_within_half_its_time(play: Play, manager: ServiceManager) -> None:
    fed = []
    while play.now_s < 1100.0:
        play.pulse(play.watch.pulse_s)
        if {"WATCHDOG": "1"} in manager.heard():
            fed.append(play.now_s)
    gaps = [after - before for before, after in itertools.pairwise(fed)]
    assert len(gaps) > 10
    assert max(gaps) <= WATCHDOG_S / 2
    assert min(gaps) >= WATCHDOG_S / 4


def test_a_part_that_is_stuck_stops_the_feeding_and_is_named_once(
    play: Play, manager: ServiceManager, caplog: pytest.LogCaptureFixture
) -> None:
    play.is_live = True
    play.pulse()
    assert "WATCHDOG" in manager.names()
    for late_s in (1, 2, 3):
        play.stuck = [f"sink shelf (md) has been stuck for {late_s} s"]
        play.pulse(WATCHDOG_S)
    assert manager.heard() == [{"STATUS": "stuck: sink shelf (md)"}]
    assert caplog.text.count("the watchdog is not fed: sink shelf (md) has been stuck for 1 s") == 1
    assert caplog.text.count("not fed") == 1
    play.stuck = []
    play.pulse(1.0)
    assert "WATCHDOG" in manager.names()
    assert "fed again" in caplog.text


def test_without_a_watchdog_nothing_is_fed(manager: ServiceManager) -> None:
    play = Play(manager, None)
    play.is_live = True
    play.pulse()
    assert manager.names() == {"READY", "STATUS"}
    play.notifier.close()


def test_the_status_is_one_line_told_when_it_changes(play: Play, manager: ServiceManager) -> None:
    play.status = "not ready:\n" + "x" * 500
    play.pulse()
    (told,) = (message for message in manager.heard() if "STATUS" in message)
    assert told["STATUS"] == ("not ready: " + "x" * 500)[:STATUS_MAX]
    play.pulse(1.0)
    assert "STATUS" not in manager.names()


def test_a_reload_is_told_with_its_time_and_its_end(play: Play, manager: ServiceManager) -> None:
    play.watch.on_reload(True)
    play.watch.on_reload(False)
    assert manager.heard() == []  # READY would end the start
    play.is_live = True
    play.pulse()
    manager.heard()
    play.watch.on_reload(True)
    play.watch.on_reload(False)
    assert manager.heard() == [{"RELOADING": "1", "MONOTONIC_USEC": "1000000000"}, {"READY": "1"}]


def test_the_stop_is_told_with_the_time_it_may_take(play: Play, manager: ServiceManager) -> None:
    async def stopping() -> None:
        return

    asyncio.run(play.watch.run(stopping))
    assert manager.heard()[-1] == {"STOPPING": "1", "STATUS": "stopping", "EXTEND_TIMEOUT_USEC": "25000000"}


def test_a_manager_that_is_gone_disturbs_nothing_and_is_told_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ServiceManager(str(tmp_path / "notify"))
    play = Play(manager)
    manager.close()
    (tmp_path / "notify").unlink()
    play.is_live = True
    play.pulse()
    play.pulse()
    assert not play.watch.is_ready
    assert caplog.text.count("the service manager can't be told READY: ") == 1
    again = ServiceManager(str(tmp_path / "notify"))
    play.pulse()
    assert {"READY", "WATCHDOG", "STATUS"} <= again.names()
    again.close()
    play.notifier.close()


def test_what_the_environment_says_is_for_this_process_alone(manager: ServiceManager) -> None:
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "8000000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
    notifier = find_notifier(environ)
    assert notifier is not None
    assert notifier.watchdog_s == WATCHDOG_S
    assert environ == {"A": "b"}
    notifier.close()
    of_another = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "8000000", "WATCHDOG_PID": "1"}
    notifier = find_notifier(of_another)
    assert notifier is not None
    assert notifier.watchdog_s is None
    notifier.close()
    assert find_notifier({}) is None
    assert find_notifier({"WATCHDOG_USEC": "8000000"}) is None


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"NOTIFY_SOCKET": "here"}, "NOTIFY_SOCKET is 'here', which is neither a path nor an abstract name"),
        ({"NOTIFY_SOCKET": "@"}, "NOTIFY_SOCKET is '@', which is neither"),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC is 'soon', no number of microseconds"),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"}, "WATCHDOG_USEC is '0', no number of microseconds"),
    ],
)
def test_an_environment_that_makes_no_sense_is_told(
    environ: dict[str, str], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = find_notifier(environ)
    assert sentence in caplog.text
    if notifier is not None:
        assert notifier.watchdog_s is None
        notifier.close()


# --- parts that stand still, for real ---------------------------------------------------------------------------------


def held_storage() -> tuple[MemoryStorage, threading.Event, threading.Event]:
    """A disk whose syncs do not come back before the test lets them: (storage, a sync has begun, let go)."""
    storage, is_held, let_go = MemoryStorage(), threading.Event(), threading.Event()

    def on_operation(operation: str, name: str) -> None:
        if operation == "sync":
            is_held.set()
            assert let_go.wait(30.0)

    storage.on_operation = on_operation
    return storage, is_held, let_go


def watch_of(manager: ServiceManager, beat: Beat) -> tuple[ServiceWatch, Notifier]:
    notifier = Notifier(manager.address, 0.04)
    loop = asyncio.get_running_loop()
    watch = ServiceWatch(
        notifier,
        stuck=lambda: ["the committer has been stuck for 1 s"] if beat.late_s() > 0 else [],
        is_live=lambda: True,
        status=lambda: "ready",
        shutdown_s=1.0,
        time_s=loop.time,
    )
    return watch, notifier


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30.0):
        while not condition():  # noqa: ASYNC110 - a socket that is polled, and a thread, set no event
            await asyncio.sleep(0.005)


async def until_heard(manager: ServiceManager, name: str) -> None:
    await until(lambda: name in manager.names())


def test_a_committer_thread_that_hangs_stops_the_feeding(
    manager: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is held in a sync; the loop goes on all the while."""
    monkeypatch.setattr(committer_module, "COMMIT_S", 0.001)
    storage, is_held, let_go = held_storage()

    async def main() -> None:
        journal = Journal(storage, SystemClock(), JournalSettings(reserve_bytes=1))
        committer = Committer(journal, JournalSettings())
        watch, notifier = watch_of(manager, committer.beat)
        stop = asyncio.Event()
        task = asyncio.create_task(watch.run(stop.wait))
        committer.start(lambda: None, lambda cause: None)
        await until_heard(manager, "WATCHDOG")
        journal.append(Record("md.0", "S", 1, "ready", None, None, None, 1, b"{}"))
        committer.barrier(lambda: None)
        await until(committer.beat.late_s)
        assert is_held.wait(30.0)
        watch.pulse()
        manager.heard()
        for _ in range(20):  # more than the watchdog's whole time, pulse by pulse
            watch.pulse()
            await asyncio.sleep(0.005)
        assert "WATCHDOG" not in manager.names()
        let_go.set()
        await until_heard(manager, "WATCHDOG")
        stop.set()
        await task
        await committer.stop()
        notifier.close()

    asyncio.run(main())


def test_a_loop_that_is_blocked_feeds_nobody(manager: ServiceManager) -> None:
    async def main() -> None:
        watch, notifier = watch_of(manager, Beat(asyncio.get_running_loop().time))
        stop = asyncio.Event()
        task = asyncio.create_task(watch.run(stop.wait))
        await until_heard(manager, "WATCHDOG")
        manager.heard()
        # From here to the next await the loop stands still, as in a plugin that blocks: longer than the watchdog's time.
        threading.Event().wait(0.2)
        assert manager.heard() == []
        await until_heard(manager, "WATCHDOG")
        stop.set()
        await task
        notifier.close()

    asyncio.run(main())


def test_a_beat_is_late_only_after_what_it_promised() -> None:
    now_s = 5.0
    beat = Beat(lambda: now_s)
    assert beat.late_s() == 0
    beat.within(2.0)
    now_s = 7.0
    assert beat.late_s() == 0
    now_s = 9.5
    assert beat.late_s() == 2.5
    beat.within(1.0)
    assert beat.late_s() == 0
    now_s = 100.0
    beat.rest()
    assert beat.late_s() == 0
