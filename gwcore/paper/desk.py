"""PaperDesk: takes the requests of one paper account and answers each, as a venue would."""

from __future__ import annotations

import msgspec

from gwcore.model import Fate
from gwcore.paper.exchange import PaperExchange
from gwcore.paper.messages import PaperAnswer, PaperNews, PaperRequest
from gwcore.paper.records import PaperRefused


class PaperDesk:
    """In front of one exchange. Answers come before the news they make."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange

    def receive(self, request: PaperRequest, now_ns: int) -> list[PaperNews]:
        """A request of the account, at this wall-clock time."""
        if request.subscribe:
            return [self._exchange.snapshot()]
        answer = PaperAnswer(request_id=request.request_id, venue_time_ns=now_ns)
        if request.create:
            return self._create(request, answer, now_ns)
        if request.cancel:
            return self._cancel(request, answer, now_ns)
        if request.cancel_all:
            orders = list(self._exchange.records.open.values())
            news = [each for order in orders for each in self._exchange.cancel(order, now_ns)]
            return [msgspec.structs.replace(answer, number_of_orders=len(orders)), *news]
        if request.modify is not None:
            return self._modify(request, answer, now_ns)
        self._exchange.cancel_all_after(request.cancel_after_s or 0, now_ns)
        return [answer]

    def _modify(self, request: PaperRequest, answer: PaperAnswer, now_ns: int) -> list[PaperNews]:
        assert request.modify is not None
        try:
            order = self._exchange.records.find(request.keys[0])
            news = self._exchange.modify(order, request.modify, now_ns)
        except PaperRefused as refused:
            return [_refusal(answer, refused)]
        return [msgspec.structs.replace(answer, venue_order_id=order.venue_order_id), *news]

    def _cancel(self, request: PaperRequest, answer: PaperAnswer, now_ns: int) -> list[PaperNews]:
        answers: list[PaperNews] = []
        news: list[PaperNews] = []
        for place, key in enumerate(request.keys):
            mine = msgspec.structs.replace(answer, order=place)
            try:
                order = self._exchange.records.find(key)
            except PaperRefused as refused:
                answers.append(_refusal(mine, refused))
                continue
            news += self._exchange.cancel(order, now_ns)
            answers.append(msgspec.structs.replace(mine, venue_order_id=order.venue_order_id, number_of_orders=1))
        return [*answers, *news]

    def _create(self, request: PaperRequest, answer: PaperAnswer, now_ns: int) -> list[PaperNews]:
        news: list[PaperNews] = []
        for place, (create, client_id) in enumerate(zip(request.create, request.keys, strict=True)):
            mine = msgspec.structs.replace(answer, order=place)
            try:
                order, follows = self._exchange.create(create, client_id, now_ns)
            except PaperRefused as refused:
                news.append(_refusal(mine, refused))
                continue
            venue_order_id = order.venue_order_id if order is not None else None
            news += [msgspec.structs.replace(mine, venue_order_id=venue_order_id), *follows]
        return news


def _refusal(answer: PaperAnswer, refused: PaperRefused) -> PaperAnswer:
    return msgspec.structs.replace(answer, fate=Fate.NOT_DONE, error=refused.error, text=str(refused))
