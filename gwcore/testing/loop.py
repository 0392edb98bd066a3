"""SimLoop: an asyncio event loop on virtual time, with a seeded order of what is ready. No socket, thread or signal.

Time stands still while callbacks run and jumps to the next timer when nothing is ready, so an hour costs what its events
cost. Callbacks that are ready in the same turn run in a seeded order: whoever relies on more than the order of one queue
is found out. It must not do any real input or output: what asks for it gets RealIoError with a sentence on what to use.
"""

from __future__ import annotations

import asyncio
import gc
import struct
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heapify, heappop
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack

from gwcore.testing.seeds import SeededRandom

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: Longest virtual time that a callable given to an inline executor takes.
_EXECUTOR_DELAY_S = 0.005
#: Above this many timers, and half of them cancelled, the heap is rebuilt without those.
_TIMERS_SWEEP_MIN = 100
#: Steps that cleaning up after a run may take.
_CLEANUP_STEPS = 100_000
#: How many tasks an error names.
_TASKS_NAMED_MAX = 10

_JUMP = struct.Struct("<dQ")


class SimulationError(AssertionError):
    """The simulated program did what it must not. Not a GatewayError: nothing in the program may catch it as one."""


class DeadlockError(SimulationError):
    """Nothing is ready, no timer is set, and the main coroutine is not done."""


class BudgetError(SimulationError):
    """More virtual time or more steps than allowed."""


class RealIoError(SimulationError):
    """Something asked the loop for a real socket, thread, process or signal."""


class LeakError(SimulationError):
    """Tasks were still there when the main coroutine was done."""


class UnhandledError(SimulationError):
    """A callback or a task raised and nobody looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run; reaching one raises BudgetError."""

    time_s: float = 24 * 3600.0  # virtual
    steps: int = 50_000_000  # callbacks run


class SimTask(asyncio.Task[Any]):
    """A task whose hash is its number: sets of tasks (asyncio keeps some) iterate alike in every process."""

    def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: SimLoop, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coro, loop=loop, name=options.pop("name", None) or f"task-{number}", **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


def _forbidden(name: str, cure: str) -> Any:
    def method(self: SimLoop, *args: Any, **options: Any) -> NoReturn:
        raise self.violation(RealIoError(f"{name}() in a simulation: {cure}"))

    return method


_USE_NETWORK = "connections come from a Network port (gwcore.testing.network)"
_USE_PORTS = "hand in a port that lives in memory"


class SimLoop(asyncio.BaseEventLoop):
    """The loop. `steps` counts callbacks run; `trace` takes notes that `trace_hash` sums up."""

    # What is used here of the base class, which has no public way to give the order of callbacks (CPython 3.11-3.14).
    _ready: deque[Any]
    _scheduled: list[Any]
    _stopping: bool
    _timer_cancelled_count: int
    _thread_id: int | None

    def __init__(
        self, seed: int = 0, budget: Budget | None = None, *, shuffle: bool = True, inline_executor: bool = False
    ) -> None:
        # First, because the base class asks for the time and the debug flag while it is made.
        self._time_s = 0.0
        super().__init__()
        self.seed = seed
        self.steps = 0
        self.unhandled: list[dict[str, Any]] = []
        self._budget = budget or Budget()
        self._random = SeededRandom(seed, "loop")
        self._shuffle = shuffle
        self._inline_executor = inline_executor
        self._trace = blake2b(digest_size=16)
        self._tasks_made = 0
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._on_unhandled)

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._time_s

    def now_ns(self) -> int:
        """Virtual nanoseconds since the start (exact up to 100 days)."""
        return round(self._time_s * 1e9)

    def call_at_ns(self, when_ns: int, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """As `call_at`, in nanoseconds since the start; `now_ns()` is exactly that when it is called."""
        return self.call_at(when_ns / 1e9, callback)

    def note(self, data: bytes) -> None:
        """Put something into the trace, with the time and the number of steps so far."""
        trace = self._trace
        trace.update(_JUMP.pack(self._time_s, self.steps))
        trace.update(data)

    def trace_hash(self) -> str:
        """Hash of all notes and of the whole course of time and steps: equal runs, equal hash."""
        trace = self._trace.copy()
        trace.update(_JUMP.pack(self._time_s, self.steps))
        return trace.hexdigest()

    def violation(self, error: SimulationError) -> SimulationError:
        """Keep an error that the program might swallow: `run` raises UnhandledError for it. Returns it, to be raised."""
        self.unhandled.append({"message": "violation", "exception": error})
        return error

    def set_budget(self, budget: Budget) -> None:
        """Change the limits; they count from the start of the loop."""
        self._budget = budget

    # --- one turn -----------------------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        self._sweep_timers()
        if not ready:
            if not scheduled:
                if self._stopping:
                    return
                raise DeadlockError(
                    f"deadlock at {self._time_s:.6f} s: nothing is ready and no timer is set{self._waiting()}"
                )
            self._jump(scheduled[0]._when)
        now_s = self._time_s
        while scheduled and scheduled[0]._when <= now_s:
            timer = heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)
        count = len(ready)
        if count > 1 and self._shuffle:
            batch = list(ready)
            self._random.shuffle(batch)
            ready.clear()
            ready.extend(batch)
        self.steps += count
        if self.steps > self._budget.steps:
            raise BudgetError(f"more than {self._budget.steps} steps, at {self._time_s:.6f} s{self._waiting()}")
        for _ in range(count):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _jump(self, when_s: float) -> None:
        if when_s > self._budget.time_s:
            raise BudgetError(
                f"more than {self._budget.time_s:g} virtual seconds: the next timer is at {when_s:.6f} s{self._waiting()}"
            )
        if when_s > self._time_s:
            self._time_s = when_s
            self._trace.update(_JUMP.pack(when_s, self.steps))

    def _sweep_timers(self) -> None:
        scheduled = self._scheduled
        if len(scheduled) > _TIMERS_SWEEP_MIN and self._timer_cancelled_count * 2 > len(scheduled):
            for timer in scheduled:
                if timer._cancelled:
                    timer._scheduled = False
            scheduled[:] = [timer for timer in scheduled if not timer._cancelled]
            heapify(scheduled)
            self._timer_cancelled_count = 0
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heappop(scheduled)._scheduled = False

    def _waiting(self) -> str:
        tasks = sorted(asyncio.all_tasks(self), key=hash)
        lines = [f"\n  {_describe(task)}" for task in tasks[:_TASKS_NAMED_MAX]]
        more = len(tasks) - len(lines)
        return "; waiting:" + "".join(lines) + (f"\n  and {more} more" if more > 0 else "") if tasks else ""

    # --- what asyncio asks of a loop ------------------------------------------------------------------------------------

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> SimTask:
        self._tasks_made += 1
        return SimTask(coro, loop=self, number=self._tasks_made, **options)

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unhandled.append(context)

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`; raises RealIoError from another thread."""
        if self._thread_id is not None and self._thread_id != threading.get_ident():
            raise self.violation(RealIoError("call_soon_threadsafe() from another thread: a simulation has one thread"))
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """Run `func` on this thread after a seeded virtual delay; RealIoError unless the loop has an inline executor."""
        if not self._inline_executor:
            raise RealIoError(
                "run_in_executor() in a simulation: do it inline, or make the loop with inline_executor=True"
            )
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)

        self.call_later(self._random.uniform(0.0, _EXECUTOR_DELAY_S), work)
        return future

    add_reader: Any = _forbidden("add_reader", _USE_NETWORK)
    add_writer: Any = _forbidden("add_writer", _USE_NETWORK)
    remove_reader: Any = _forbidden("remove_reader", _USE_NETWORK)
    remove_writer: Any = _forbidden("remove_writer", _USE_NETWORK)
    create_connection: Any = _forbidden("create_connection", _USE_NETWORK)
    create_server: Any = _forbidden("create_server", _USE_PORTS)
    create_unix_connection: Any = _forbidden("create_unix_connection", _USE_PORTS)
    create_unix_server: Any = _forbidden("create_unix_server", _USE_PORTS)
    create_datagram_endpoint: Any = _forbidden("create_datagram_endpoint", _USE_NETWORK)
    connect_accepted_socket: Any = _forbidden("connect_accepted_socket", _USE_NETWORK)
    connect_read_pipe: Any = _forbidden("connect_read_pipe", _USE_PORTS)
    connect_write_pipe: Any = _forbidden("connect_write_pipe", _USE_PORTS)
    start_tls: Any = _forbidden("start_tls", _USE_NETWORK)
    sendfile: Any = _forbidden("sendfile", _USE_PORTS)
    sock_recv: Any = _forbidden("sock_recv", _USE_NETWORK)
    sock_recv_into: Any = _forbidden("sock_recv_into", _USE_NETWORK)
    sock_sendall: Any = _forbidden("sock_sendall", _USE_NETWORK)
    sock_connect: Any = _forbidden("sock_connect", _USE_NETWORK)
    sock_accept: Any = _forbidden("sock_accept", _USE_NETWORK)
    getaddrinfo: Any = _forbidden("getaddrinfo", _USE_NETWORK)
    getnameinfo: Any = _forbidden("getnameinfo", _USE_NETWORK)
    subprocess_exec: Any = _forbidden("subprocess_exec", "start no process")
    subprocess_shell: Any = _forbidden("subprocess_shell", "start no process")
    add_signal_handler: Any = _forbidden("add_signal_handler", "install signal handlers outside what is simulated")
    remove_signal_handler: Any = _forbidden(
        "remove_signal_handler", "install signal handlers outside what is simulated"
    )


def _describe(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    place = f" at {frames[0].f_code.co_qualname}:{frames[0].f_lineno}" if frames else ""
    return f"{task.get_name()}{place}"


def run(
    main: Callable[[SimLoop], Coroutine[Any, Any, T]],
    *,
    seed: int = 0,
    budget: Budget | None = None,
    shuffle: bool = True,
    inline_executor: bool = False,
) -> T:
    """Run `main(loop)` to its end on a new SimLoop and return its result.

    Raises what `main` raises; DeadlockError, BudgetError, RealIoError; LeakError when tasks outlive `main`;
    UnhandledError when a callback raised or a task died unseen.
    """
    loop = SimLoop(seed, budget, shuffle=shuffle, inline_executor=inline_executor)
    # The collector runs finalizers when it likes, which would let memory decide the order of events.
    collecting = gc.isenabled()
    gc.disable()
    try:
        result = loop.run_until_complete(main(loop))
        left = sorted(asyncio.all_tasks(loop), key=hash)
        if left:
            names = ", ".join(_describe(task) for task in left[:_TASKS_NAMED_MAX])
            raise LeakError(f"{len(left)} tasks outlived the main coroutine: {names}")
        loop.run_until_complete(loop.shutdown_asyncgens())
    except SimulationError as error:
        for context in loop.unhandled[:1]:
            error.add_note(f"unhandled before that: {context.get('message')}: {context.get('exception')!r}")
        raise
    finally:
        _clean_up(loop)
        if collecting:
            gc.enable()
    _raise_unhandled(loop)
    return result


def _clean_up(loop: SimLoop) -> None:
    try:
        left = sorted(asyncio.all_tasks(loop), key=hash)
        if left:
            # The run failed: let every task run its finally blocks, within limits, and keep the first error.
            loop.set_budget(Budget(time_s=loop.time() + 3600.0, steps=loop.steps + _CLEANUP_STEPS))
            for task in left:
                task.cancel()
            with suppress(SimulationError):
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        gc.collect(0)
        loop.close()


def _raise_unhandled(loop: SimLoop) -> None:
    if not loop.unhandled:
        return
    first = loop.unhandled[0]
    error = first.get("exception")
    raise UnhandledError(f"{len(loop.unhandled)} unhandled, first: {first.get('message')} ({error!r})") from error
