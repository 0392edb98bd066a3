"""Controls: what an operator can have a running gateway do (`gw ctl`): one table of actions, each an audited event.

A part that can be operated adds its actions with `add`; the session has asked before whether the operator may. What is asked
for is published before it is done, and what came of it after. Questions (`gw status`) change nothing and are not published.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.errors import GatewayError
from gwcore.histogram import LatencyHistogram
from gwcore.model import Control, Event
from gwcore.settings import Verb
from gwcore.wire import ControlRequest, Outcome, RequestError, ServerMessage

_log = logging.getLogger("gwcore.control")

#: Actions under way or waiting for their turn; more are refused.
ACTIONS_MAX = 16
#: An action takes no longer than this, its turn included; a client waits a little longer for its answer.
ACTION_S = 25.0
#: Characters of arguments and results in an event.
DETAIL_MAX = 1000

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None], str], object]


class NoArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of an action that has none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an action: a sentence, and the same for programs. `failed`: it was not done, or not wholly."""

    text: str
    result: dict[str, Any] = field(default_factory=dict)
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that can be done. `arguments` is a msgspec Struct type that forbids unknown fields; `run` gets one of it.

    Where arguments are called `account` or `symbol`, the operator's grant has to have those too. `in_turn`: it waits for
    others that do; what must happen at once does not. `run` raises GatewayError where it can't be done.
    """

    verb: Verb
    run: Callable[[Any, Operator], Awaitable[Answer]]
    arguments: type[msgspec.Struct] = NoArguments
    in_turn: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing that can be asked: answered at once, changes nothing. Without a verb everybody who may connect can ask."""

    answer: Callable[[Any, Operator], Answer]
    verb: Verb | None = None
    arguments: type[msgspec.Struct] = NoArguments


class Controls:
    """Implements `ControlPort`. `publish` takes events about the gateway, `spawn` starts what takes its time."""

    def __init__(
        self, publish: Callable[[Event], None], spawn: Spawn, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._publish = publish
        self._spawn = spawn
        self._monotonic_ns = monotonic_ns
        self._known: dict[str, Action | Question] = {}
        self._turn = asyncio.Lock()
        self._under_way = 0
        self.latency: dict[str, LatencyHistogram] = {}  # of actions and questions, by name

    def add(self, name: str, known: Action | Question) -> None:
        """Offer something under a name of its own."""
        if name in self._known:
            raise ValueError(f"two actions are called {name!r}")
        self._known[name] = known
        self.latency[name] = LatencyHistogram()

    # --- ControlPort --------------------------------------------------------------------------------------------------

    def verb_of(self, action: str) -> str | None:
        """The verb an action needs; empty: none. None: there is no such action."""
        known = self._known.get(action)
        return None if known is None else known.verb or ""

    def submit(self, request: ControlRequest, operator: Operator, answer: Callable[[ServerMessage], None]) -> None:
        """Do it; `answer` is called once, now or later. Never raises."""
        known = self._known[request.action]
        try:
            arguments = msgspec.convert(request.arguments, known.arguments)
        except msgspec.ValidationError as error:
            text = f"{request.action}: {error}"
            answer(RequestError(request_id=request.request_id, code="bad_request", text=text))
            return
        began_ns = self._monotonic_ns()
        if isinstance(known, Question):
            answer(self._ask(known, arguments, operator, request))
            self.latency[request.action].observe(self._monotonic_ns() - began_ns)
        elif self._under_way >= ACTIONS_MAX:
            text = f"{ACTIONS_MAX} actions are under way: wait for one of them"
            answer(RequestError(request_id=request.request_id, code="busy", text=text))
        else:
            self._under_way += 1
            self._tell(request, operator)
            self._spawn(self._work(known, arguments, operator, request, answer), f"action {request.action}")

    def request(self, action: str, name: str) -> None:
        """Ask for an action without arguments in the name of what is no client (a signal); the log has its answer."""
        operator = Operator(name, Grant(user=name, verbs=frozenset({"admin"})))
        self.submit(ControlRequest(request_id=0, action=action), operator, _log_refusal)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _ask(
        self, question: Question, arguments: msgspec.Struct, operator: Operator, request: ControlRequest
    ) -> ServerMessage:
        try:
            found = question.answer(arguments, operator)
        except GatewayError as error:
            return RequestError(request_id=request.request_id, code="failed", text=str(error))
        except Exception as error:  # a question must never take down what it asks about
            _log.exception("%s can't be answered", request.action)
            return RequestError(request_id=request.request_id, code="internal", text=_internal(request, error))
        return Outcome(request_id=request.request_id, text=found.text, result=found.result)

    async def _work(
        self,
        action: Action,
        arguments: msgspec.Struct,
        operator: Operator,
        request: ControlRequest,
        answer: Callable[[ServerMessage], None],
    ) -> None:
        code, began_ns = "failed", self._monotonic_ns()
        try:
            async with asyncio.timeout(ACTION_S), self._turn if action.in_turn else contextlib.nullcontext():
                done = await action.run(arguments, operator)
        except GatewayError as error:
            done = Answer(str(error), failed=True)
        except TimeoutError:
            code = "timeout"
            done = Answer(f"not done within {ACTION_S:g} s; what is asked for next begins anew", failed=True)
        except Exception as error:  # as above
            code = "internal"
            _log.exception("%s failed", request.action)
            done = Answer(_internal(request, error), failed=True)
        finally:
            self._under_way -= 1
            self.latency[request.action].observe(self._monotonic_ns() - began_ns)
        self._tell(request, operator, done)
        if done.failed:
            answer(RequestError(request_id=request.request_id, code=code, text=done.text))
        else:
            answer(Outcome(request_id=request.request_id, text=done.text, result=done.result))

    def _tell(self, request: ControlRequest, operator: Operator, done: Answer | None = None) -> None:
        account, symbol = request.arguments.get("account"), request.arguments.get("symbol")
        detail = msgspec.json.encode(request.arguments).decode()[:DETAIL_MAX] if request.arguments else None
        self._publish(
            Control(
                action=request.action,
                user=operator.name,
                account=account if isinstance(account, str) else None,
                symbol=symbol if isinstance(symbol, str) else None,
                detail=detail,
                result=done.text[:DETAIL_MAX] if done is not None else None,
                failed=True if done is not None and done.failed else None,
            )
        )
        said = "" if done is None else f": {'failed: ' if done.failed else ''}{done.text}"
        _log.warning("%s asks for %s %s%s", operator.name, request.action, detail or "", said)


def _log_refusal(message: ServerMessage) -> None:
    if isinstance(message, RequestError):
        _log.error("%s", message.text)


def _internal(request: ControlRequest, error: Exception) -> str:
    return f"a fault of the gateway, which its log tells: {request.action}: {type(error).__name__}"
