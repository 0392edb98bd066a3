"""What a paper account and its exchange say to each other: JSON frames, as between a gateway and any venue."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from gwcore.model import CreateOrder, Fate, FundsUpdate, ModifyOrder, OrderError, OrderUpdate, TradeUpdate


class PaperRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request. Just one of the fields behind `request_id` is set; `keys` name the orders it is about, in their order."""

    request_id: int
    keys: tuple[str, ...] = ()  # client ids, or the exchange's ids of orders
    create: tuple[CreateOrder, ...] = ()
    modify: ModifyOrder | None = None
    cancel: bool = False
    cancel_all: bool = False
    cancel_after_s: int | None = None
    subscribe: bool = False


class PaperAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="paper_answer"):
    """The answer to a request, or to one order of it."""

    request_id: int
    fate: Fate = Fate.DONE
    error: OrderError | None = None
    text: str = ""
    order: int | None = None
    venue_order_id: str | None = None
    number_of_orders: int | None = None
    venue_time_ns: int | None = None


class PaperSnapshot(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="paper_snapshot"
):
    """All that is open, and what the account holds."""

    orders: tuple[OrderUpdate, ...] = ()
    funds: tuple[FundsUpdate, ...] = ()


PaperNews: TypeAlias = PaperAnswer | PaperSnapshot | OrderUpdate | TradeUpdate | FundsUpdate

_requests: Final[msgspec.json.Decoder[PaperRequest]] = msgspec.json.Decoder(PaperRequest)
_news: Final[msgspec.json.Decoder[list[PaperNews]]] = msgspec.json.Decoder(list[PaperNews])
encode: Final = msgspec.json.Encoder().encode
decode_request: Final = _requests.decode
decode_news: Final = _news.decode
