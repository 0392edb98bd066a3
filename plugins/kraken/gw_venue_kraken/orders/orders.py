"""KrakenOrders: requests about orders, as WebSocket frames where there is a connection, else as REST flows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gw_venue_kraken.accounts.account import KrakenAccount, KrakenAccountOptions
from gw_venue_kraken.accounts.private_rest import private_json_request, private_request
from gw_venue_kraken.orders import forms, frames, replies, rest
from gw_venue_kraken.orders.checks import check_batch, check_create, check_modify
from gw_venue_kraken.orders.errors import TEXT_LENGTH_MAX
from gw_venue_kraken.orders.ids import client_id
from gw_venue_kraken.orders.limits import ABILITIES, REST_ABILITIES, order_limits
from gw_venue_kraken.orders.search import find_order
from gw_venue_kraken.rest_names import RestNames
from gw_venue_kraken.settings import KrakenSettings
from gwcore.errors import Unsupported, VenueError
from gwcore.model import CreateOrder, Fate, ModifyOrder, OrderError
from gwcore.rest import HttpFlow, HttpRequest
from gwcore.venue import (
    Account,
    AccountMessage,
    AccountSnapshot,
    Frame,
    OrderAbilities,
    OrderAnswer,
    OrderKey,
    OrderLimits,
    Outbound,
)


class KrakenOrders:
    """The Orders, BatchOrders and CancelTimer of the venue contract."""

    def __init__(self, settings: KrakenSettings, account: Account, codec: KrakenAccount | None) -> None:
        self._url = settings.rest_url
        self._settings = settings
        self._account = account
        self._codec = codec
        self._names = RestNames() if codec is None else codec.names
        self._limits = order_limits((account.options or KrakenAccountOptions()).tier)

    @property
    def abilities(self) -> OrderAbilities:
        """What Kraken has; by REST a deadline is at least two seconds away."""
        return REST_ABILITIES if self._codec is None else ABILITIES

    @property
    def limits(self) -> OrderLimits:
        """The engine's counter and cap for each pair, by the account's tier."""
        return self._limits

    def client_id(self, number: int) -> str:
        """32 hex digits. Raises ValueError for a number of more than 64 bits."""
        return client_id(number)

    def create_order(self, request_id: int, request: CreateOrder, client_id: str) -> Outbound:
        """`add_order` / AddOrder. Raises Unsupported."""
        check_create(request)
        if self._codec is not None:
            return self._frame(self._codec, request_id, replies.ADD, frames.add_params(request, client_id), [client_id])
        read = rest.read_validated if request.validate_only else rest.read_added
        if request.margin:
            return self._with_leverage(
                request_id,
                [request],
                lambda pair, levers: self._form("AddOrder", forms.add_form(request, client_id, pair, levers[0])),
                read,
            )
        form = forms.add_form(request, client_id, self._names.pair(request.symbol), None)
        return self._ask_form(request_id, "AddOrder", form, read)

    def modify_order(self, request_id: int, request: ModifyOrder, key: OrderKey) -> Outbound:
        """`amend_order` / AmendOrder. Raises Unsupported."""
        check_modify(request)
        if self._codec is not None:
            ids = [each for each in (key.venue_order_id, key.venue_client_id) if each is not None]
            return self._frame(self._codec, request_id, replies.AMEND, frames.amend_params(request, key), ids)
        return self._ask_form(request_id, "AmendOrder", forms.amend_form(request, key), rest.read_amended)

    def cancel_order(self, request_id: int, key: OrderKey) -> Outbound:
        """`cancel_order` / CancelOrder."""
        if self._codec is not None:
            return self._cancel_frame(self._codec, request_id, [key])
        return self._ask_form(request_id, "CancelOrder", forms.id_form(key), rest.count_reader(1))

    def cancel_all_orders(self, request_id: int) -> Outbound:
        """`cancel_all` / CancelAll."""
        if self._codec is not None:
            return self._frame(self._codec, request_id, replies.CANCEL_ALL, {}, ())
        return self._ask_form(request_id, "CancelAll", {}, rest.count_reader(None))

    def find_order(self, key: OrderKey) -> HttpFlow[AccountSnapshot]:
        """OpenOrders, ClosedOrders or QueryOrders, and its trades. Raises VenueError."""
        return find_order(self._url, self._account, key)

    def create_orders(self, request_id: int, requests: Sequence[CreateOrder], client_ids: Sequence[str]) -> Outbound:
        """`batch_add` / AddOrderBatch; a single one goes by itself. Raises Unsupported."""
        if len(requests) == 1:
            return self.create_order(request_id, requests[0], client_ids[0])
        check_batch(requests)
        if self._codec is not None:
            params = frames.batch_params(requests, client_ids)
            return self._frame(self._codec, request_id, replies.BATCH_ADD, params, client_ids)
        read = rest.batch_reader(len(requests), validates=requests[0].validate_only)

        def make(pair: str, leverages: Sequence[int | None]) -> HttpRequest:
            return self._json("AddOrderBatch", forms.batch_body(requests, client_ids, pair, leverages))

        if any(each.margin for each in requests):
            return self._with_leverage(request_id, requests, make, read)
        pair = self._names.pair(requests[0].symbol)
        return rest.ask(request_id, lambda: make(pair, [None] * len(requests)), read)

    def cancel_orders(self, request_id: int, keys: Sequence[OrderKey]) -> Outbound:
        """`batch_cancel` where the venue's id of each is known, else a list to `cancel_order`; CancelOrderBatch."""
        if len(keys) == 1:
            return self.cancel_order(request_id, keys[0])
        if self._codec is None:
            body = forms.cancel_batch_body(keys)
            return rest.ask(request_id, lambda: self._json("CancelOrderBatch", body), rest.count_reader(len(keys)))
        order_ids = [key.venue_order_id for key in keys if key.venue_order_id is not None]
        if len(order_ids) < len(keys):
            return self._cancel_frame(self._codec, request_id, keys)
        return self._frame(self._codec, request_id, replies.BATCH_CANCEL, {"orders": order_ids}, order_ids)

    def cancel_all_after(self, request_id: int, timeout_s: int) -> Outbound:
        """`cancel_all_orders_after` / CancelAllOrdersAfter."""
        if self._codec is not None:
            return self._frame(self._codec, request_id, replies.CANCEL_ALL_AFTER, {"timeout": timeout_s}, ())
        return self._ask_form(request_id, "CancelAllOrdersAfter", {"timeout": str(timeout_s)}, rest.read_timer)

    # --- frames -------------------------------------------------------------------------------------------------------

    def _frame(
        self, codec: KrakenAccount, request_id: int, method: str, params: Mapping[str, Any], ids: Sequence[str]
    ) -> Frame:
        codec.replies.expect(request_id, method, ids)
        return frames.request_frame(method, params, codec.token, request_id)

    def _cancel_frame(self, codec: KrakenAccount, request_id: int, keys: Sequence[OrderKey]) -> Frame:
        ids = [next(iter(frames.one_id(key).values())) for key in keys]
        return self._frame(codec, request_id, replies.CANCEL, frames.cancel_params(keys), ids)

    # --- REST ---------------------------------------------------------------------------------------------------------

    def _form(self, method: str, form: Mapping[str, str]) -> HttpRequest:
        return private_request(self._url, self._account.signer, method, form)

    def _json(self, method: str, body: Mapping[str, Any]) -> HttpRequest:
        return private_json_request(self._url, self._account.signer, method, body)

    def _ask_form(
        self, request_id: int, method: str, form: Mapping[str, str], read: rest.ReadResult
    ) -> HttpFlow[Sequence[AccountMessage]]:
        return rest.ask(request_id, lambda: self._form(method, form), read)

    def _with_leverage(
        self,
        request_id: int,
        requests: Sequence[CreateOrder],
        make: Callable[[str, Sequence[int | None]], HttpRequest],
        read: rest.ReadResult,
    ) -> HttpFlow[Sequence[AccountMessage]]:
        """REST wants a number where the WebSocket takes the pair's greatest by itself: it has to be known first."""
        symbol = requests[0].symbol
        if self._names.leverage(symbol, requests[0].side) is None:
            try:
                yield from self._names.learn(self._settings)
            except VenueError as error:
                text = f"the greatest leverage of {symbol} is not known, so nothing was sent: {error}"[:TEXT_LENGTH_MAX]
                return [OrderAnswer(request_id, Fate.NOT_DONE, error=OrderError.UNAVAILABLE, text=text, retryable=True)]
        leverages = [self._names.leverage(symbol, each.side) if each.margin else None for each in requests]
        if any(each.margin and leverage is None for each, leverage in zip(requests, leverages, strict=True)):
            text = f"Kraken lists no leverage for {symbol}: leave margin out"
            return [OrderAnswer(request_id, Fate.NOT_DONE, error=OrderError.UNSUPPORTED, text=text)]
        return (yield from rest.ask(request_id, lambda: make(self._names.pair(symbol), leverages), read))


def make_orders(settings: KrakenSettings, account: Account, codec: Any) -> KrakenOrders:
    """The orders of one connection of an account, or of REST alone. Raises Unsupported for a codec of another venue."""
    if codec is not None and not isinstance(codec, KrakenAccount):
        raise Unsupported(f"orders of Kraken go over a connection of Kraken, not of {type(codec).__name__}")
    return KrakenOrders(settings, account, codec)
