"""Actions of operators: who hears what, in which order, and that one that fails takes nothing with it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.errors import GatewayError
from gwcore.model import Control, Event
from gwcore.runtime.control import controls as module
from gwcore.runtime.control.controls import ACTIONS_MAX, Action, Answer, Controls, Question
from gwcore.wire import ControlRequest, Outcome, RequestError, ServerMessage

ANNA = Operator("anna", Grant(user="anna"))


class Lamp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of the test's own action."""

    symbol: str
    count: int = 1


class Desk:
    """Controls with what they said."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answers: list[ServerMessage] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.asked: list[tuple[Any, Operator]] = []
        self.controls = Controls(self.events.append, self._spawn)
        self.controls.add("light", Action(verb="admin", arguments=Lamp, run=self._light))

    def _spawn(self, work: Any, name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))

    async def _light(self, asked: Lamp, operator: Operator) -> Answer:
        self.asked.append((asked, operator))
        return Answer("it shines", {"count": asked.count})

    def ask(self, action: str, **arguments: Any) -> None:
        request = ControlRequest(request_id=7, action=action, arguments=arguments)
        self.controls.submit(request, ANNA, self.answers.append)

    async def settle(self) -> None:
        await asyncio.gather(*self.tasks)


def run(play: Any) -> None:
    async def main() -> None:
        await play(Desk())

    asyncio.run(main())


def test_an_action_is_told_before_it_is_done_and_what_came_of_it_after() -> None:
    async def play(desk: Desk) -> None:
        desk.ask("light", symbol="BTC/USD", count=2)
        asked = Control(action="light", user="anna", symbol="BTC/USD", detail='{"symbol":"BTC/USD","count":2}')
        assert desk.events == [asked]
        assert not desk.asked
        await desk.settle()
        assert desk.asked == [(Lamp(symbol="BTC/USD", count=2), ANNA)]
        assert desk.events[1:] == [msgspec.structs.replace(asked, result="it shines")]
        assert desk.answers == [Outcome(request_id=7, text="it shines", result={"count": 2})]

    run(play)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "light: Object missing required field `symbol`"),
        ({"symbol": 3}, "light: Expected `str`, got `int` - at `$.symbol`"),
        ({"symbol": "BTC/USD", "colour": "red"}, "light: Object contains unknown field `colour`"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_done(arguments: dict[str, Any], said: str) -> None:
    async def play(desk: Desk) -> None:
        desk.ask("light", **arguments)
        assert desk.answers == [RequestError(request_id=7, code="bad_request", text=said)]
        assert not desk.events
        assert not desk.tasks

    run(play)


def test_what_can_not_be_done_is_told_to_the_operator_and_for_the_record() -> None:
    async def play(desk: Desk) -> None:
        async def fail(asked: Any, operator: Operator) -> Answer:
            raise GatewayError("there is no lamp: buy one")

        desk.controls.add("fail", Action(verb="admin", run=fail))
        desk.ask("fail")
        await desk.settle()
        assert desk.answers == [RequestError(request_id=7, code="failed", text="there is no lamp: buy one")]
        assert desk.events[-1] == Control(action="fail", user="anna", result="there is no lamp: buy one", failed=True)

    run(play)


def test_a_fault_of_ours_ends_in_an_answer_and_the_next_action_is_done(caplog: pytest.LogCaptureFixture) -> None:
    async def play(desk: Desk) -> None:
        async def break_down(asked: Any, operator: Operator) -> Answer:
            raise KeyError("a secret of the inside")

        desk.controls.add("break", Action(verb="admin", run=break_down))
        desk.ask("break")
        desk.ask("light", symbol="ETH/USD")
        await desk.settle()
        text = "a fault of the gateway, which its log tells: break: KeyError"
        assert desk.answers[0] == RequestError(request_id=7, code="internal", text=text)
        assert isinstance(desk.answers[1], Outcome)

    with caplog.at_level(logging.CRITICAL, "gwcore.control"):
        run(play)


def test_actions_take_turns_but_one_that_must_happen_at_once_does_not_wait() -> None:
    async def play(desk: Desk) -> None:
        order: list[str] = []
        gate = asyncio.Event()

        async def slow(asked: Any, operator: Operator) -> Answer:
            await gate.wait()
            order.append("slow")
            return Answer("slow")

        async def quick(asked: Any, operator: Operator) -> Answer:
            order.append("quick")
            gate.set()
            return Answer("quick")

        desk.controls.add("slow", Action(verb="admin", run=slow))
        desk.controls.add("halt", Action(verb="admin", run=quick, in_turn=False))
        desk.ask("slow")
        desk.ask("light", symbol="BTC/USD")
        desk.ask("halt")
        await desk.settle()
        assert order == ["quick", "slow"]
        assert [answer.text for answer in desk.answers if isinstance(answer, Outcome)] == ["quick", "slow", "it shines"]

    run(play)


def test_more_actions_than_the_limit_are_refused_and_room_comes_back() -> None:
    async def play(desk: Desk) -> None:
        for _ in range(ACTIONS_MAX + 1):
            desk.ask("light", symbol="BTC/USD")
        (refused,) = desk.answers
        assert isinstance(refused, RequestError)
        assert (refused.code, refused.text) == ("busy", f"{ACTIONS_MAX} actions are under way: wait for one of them")
        await desk.settle()
        desk.ask("light", symbol="BTC/USD")
        await desk.settle()
        assert len(desk.answers) == ACTIONS_MAX + 2
        assert isinstance(desk.answers[-1], Outcome)

    run(play)


def test_an_action_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACTION_S", 0.01)

    async def play(desk: Desk) -> None:
        async def hang(asked: Any, operator: Operator) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

        desk.controls.add("hang", Action(verb="admin", run=hang))
        desk.ask("hang")
        await desk.settle()
        (answer,) = desk.answers
        assert isinstance(answer, RequestError)
        assert answer.code == "timeout"
        assert desk.events[-1] == Control(action="hang", user="anna", result=answer.text, failed=True)

    run(play)


def test_a_question_is_answered_at_once_and_is_no_event() -> None:
    async def play(desk: Desk) -> None:
        desk.controls.add(
            "how", Question(answer=lambda asked, operator: Answer(f"well, {operator.name}", {"ok": True}))
        )
        desk.ask("how")
        assert desk.answers == [Outcome(request_id=7, text="well, anna", result={"ok": True})]
        assert not desk.events
        assert desk.controls.verb_of("how") == ""
        assert desk.controls.verb_of("light") == "admin"
        assert desk.controls.verb_of("what") is None

    run(play)


def test_two_actions_of_one_name_are_a_fault() -> None:
    async def play(desk: Desk) -> None:
        with pytest.raises(ValueError, match="two actions are called 'light'"):
            desk.controls.add("light", Question(answer=lambda asked, operator: Answer("")))

    run(play)
