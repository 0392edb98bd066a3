"""The hand of an operator who halts and resumes while a seed is played, and notes where in the journal it was so."""

from __future__ import annotations

import asyncio
from typing import Any

from account_play import AccountPlay
from trading_rules import USERS, Halted, Rules

from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.testing.seeds import SeededRandom
from gwcore.wire import ControlRequest, RequestError

OPERATOR = Operator("operator", Grant(accounts=("*",), symbols=("*",), verbs=frozenset({"admin"})))


class HaltingHand:
    """It may meet a kill: a halt outlives that, and its end waits for the next start."""

    def __init__(self, play: AccountPlay, rules: Rules, rng: SeededRandom) -> None:
        self.play = play
        self.rules = rules
        self.rng = rng
        self._is_down = False
        self._resuming: asyncio.Future[None] | None = None

    def on_end(self) -> None:
        """The gateway is killed now."""
        self._is_down = True

    def on_crash(self) -> None:
        """It was, and what it had not made durable is gone."""
        for halt in self.rules.halts:
            halt.clip(self._position())

    def on_start(self) -> None:
        """It runs again."""
        self._is_down = False

    async def halt(self) -> None:
        """Halt somebody or something, and resume a while later."""
        rng = self.rng
        scope = {
            "user": rng.pick((None, None, *USERS)),
            "account": rng.pick((None, None, *self.play.names)),
            "symbol": rng.pick((None, None, *self.play.simulator.feed.listing.pairs, "BTC/*")),
        }
        halt = Halted(**scope, asked=self._position())
        if any(one.ended is None and one.arguments() == halt.arguments() for one in self.rules.halts):
            return  # two of one scope are one
        self.rules.halts.append(halt)
        await self._operate("halt", reason="the seed says so", **halt.arguments())
        halt.begun = self._position()
        self.play.loop.call_later(rng.uniform(2.0, 12.0), self._resume, halt)

    def _resume(self, halt: Halted) -> None:
        if self._is_down:  # it is in force after the restart, too
            self.play.loop.call_later(1.0, self._resume, halt)
        else:
            self._resuming = asyncio.ensure_future(self._end_halt(halt))

    async def _end_halt(self, halt: Halted) -> None:
        if halt.ended is not None:
            return
        # Without a scope every halt would end.
        for one in [halt] if halt.arguments() else [one for one in self.rules.halts if one.begun and one.ended is None]:
            one.resumed = self._position() if one.resumed is None else one.resumed
        try:
            async with asyncio.timeout(5.0):
                await self._operate("resume", **halt.arguments())
        except TimeoutError:  # it met a kill
            self._resume(halt)
            return
        for one in self.rules.halts:
            if one is halt or (not halt.arguments() and one.resumed is not None and one.ended is None):
                one.ended = self._position()

    async def _operate(self, action: str, **arguments: str) -> None:
        answer: asyncio.Future[Any] = self.play.loop.create_future()
        request = ControlRequest(request_id=1, action=action, arguments=arguments)
        self.play.gateway.controls.submit(request, OPERATOR, answer.set_result)
        done = await answer
        assert not isinstance(done, RequestError), done

    def _position(self) -> int:
        return self.play.gateway.journal.last_position("ex")
