"""One connection to NATS: options from settings, errors with a cause, and an end that never hangs.

nats-py could reconnect by itself; here it must not. It would send what still waited in its buffer behind a hole of what the
broken connection swallowed, and so change the order. Each connection is used up to its first fault; whoever owns it
connects again with back-off.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError

from gwcore.errors import ConfigError
from gwcore.nats_settings import NatsSettings
from gwcore.secrets import resolve_secret

#: How long closing may take before the socket is cut.
_CLOSE_S = 1.0
#: Of each server in the list, before `connect` says that there is none.
_ATTEMPTS = 1
_ATTEMPT_WAIT_S = 0.05

ErrorCallback = Callable[[Exception], Awaitable[None]]


class ConnectFailed(Exception):
    """`cause` is one word: tls, no_rights or no_server."""

    def __init__(self, cause: str, detail: str) -> None:
        self.cause = cause
        super().__init__(detail)


def connect_options(settings: NatsSettings, place: str) -> dict[str, Any]:
    """Keyword arguments for `open_client`. `place`: the settings' table, for what is said of them.

    Raises ConfigError for secrets and files that can't be read.
    """
    options: dict[str, Any] = {
        "servers": [url.strip() for url in settings.url.split(",") if url.strip()],
        "allow_reconnect": False,
        "max_reconnect_attempts": _ATTEMPTS,
        "reconnect_time_wait": _ATTEMPT_WAIT_S,
        "connect_timeout": settings.connect_timeout_s,
        "ping_interval": settings.ping_interval_s,
        "max_outstanding_pings": 2,
        # Who publishes has a limit of its own; the client's would make `publish` wait for a stalled server.
        "pending_size": 0,
        "inbox_prefix": settings.inbox_prefix,
    }
    if settings.user:
        options["user"] = settings.user
    if settings.password is not None:
        options["password"] = resolve_secret(settings.password).reveal()
    if settings.token is not None:
        options["token"] = resolve_secret(settings.token).reveal()
    if settings.nkey is not None:
        options["nkeys_seed_str"] = _seed(resolve_secret(settings.nkey).reveal().strip(), place)
    if settings.creds_file:
        _need_nkeys(place)
        options["user_credentials"] = _existing(settings.creds_file, f"{place}.creds_file")
    if settings.tls_ca_file or settings.tls_cert_file:
        options["tls"] = _tls(settings, place)
    return options


async def open_client(
    options: dict[str, Any], on_error: ErrorCallback, on_closed: Callable[[], Awaitable[None]]
) -> Client:
    """A connected client. Raises ConnectFailed."""
    client = Client()
    errors: list[Exception] = []

    async def note(error: Exception) -> None:
        errors.append(error)
        await on_error(error)

    timeout_s = options["connect_timeout"] * (1 + len(options["servers"]))
    try:
        await asyncio.wait_for(client.connect(error_cb=note, closed_cb=on_closed, **options), timeout_s)
    except (NatsError, OSError, TimeoutError, ValueError) as error:
        await close_client(client)
        cause = errors[-1] if errors and isinstance(error, NoServersError) else error
        servers = ", ".join(options["servers"])
        raise ConnectFailed(
            _name_cause(cause), f"no connection to {servers}: {cause or type(cause).__name__}"
        ) from error
    except BaseException:
        await close_client(client)
        raise
    return client


async def flush_client(client: Client, timeout_s: float) -> None:
    """Wait until the server has all that was published and subscribed before. Raises TimeoutError, NatsError, OSError.

    `Client.flush` alone is not enough: it writes its PING ahead of commands that still wait for nats-py's own flusher, so
    that it may be answered before they are heard.
    """
    async with asyncio.timeout(timeout_s):
        while client.pending_data_size and not client.is_closed:  # noqa: ASYNC110 - nats-py sets no event
            await asyncio.sleep(0)
        await client.flush(max(1, round(2 * timeout_s)))


async def close_client(client: Client) -> None:
    """Close within a bounded time, whatever the server does. Never raises.

    `Client.close` alone is not enough: it waits for a server that does not read, returns at once when a task of the
    client is closing already, and leaves everything as it is where that task fails on the broken socket.
    """
    transport = getattr(client, "_transport", None)
    tasks = [getattr(client, name, None) for name in ("_reading_task", "_ping_interval_task", "_flusher_task")]
    tasks += [getattr(subscription, "_wait_for_msgs_task", None) for subscription in client._subs.values()]
    closing = asyncio.ensure_future(client.close())
    await asyncio.wait([closing], timeout=_CLOSE_S)
    writer = getattr(transport, "_io_writer", None)
    if writer is not None:
        writer.transport.abort()
    left = [closing, *(task for task in tasks if task is not None and task is not asyncio.current_task())]
    await asyncio.wait(left, timeout=0.0 if closing.done() else _CLOSE_S)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _name_cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "tls"
    # The client passes on the server's words and has no class for this one.
    return "no_rights" if "authoriz" in str(error).lower() or "authentic" in str(error).lower() else "no_server"


def _tls(settings: NatsSettings, place: str) -> ssl.SSLContext:
    def existing(key: str) -> str | None:
        path = getattr(settings, key)
        return _existing(path, f"{place}.{key}") if path else None

    ca_file = existing("tls_ca_file")
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file := existing("tls_cert_file"):
            context.load_cert_chain(cert_file, existing("tls_key_file"))
    except ssl.SSLError as error:
        raise ConfigError(f"TLS files can't be used: {error}", place=place) from error
    return context


def _existing(path: str, place: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        raise ConfigError(f"there is no file {found}", place=place)
    return str(found)


def _need_nkeys(place: str) -> ModuleType:
    # nats-py imports it for these two only, and would say so in the middle of connecting.
    try:
        import nkeys  # type: ignore[import-untyped]
    except ImportError as error:
        hint = "pip install 'gwcore[nkeys]'"
        raise ConfigError("nkey and creds_file need the package nkeys", place=place, hint=hint) from error
    return cast("ModuleType", nkeys)


def _seed(text: str, place: str) -> str:
    try:
        _need_nkeys(place).from_seed(text.encode())
    except ConfigError:
        raise
    except Exception:
        # Whatever it is, its text may hold the seed.
        hint = "a seed begins with SU; a public key with U is the server's"
        raise ConfigError("what nkey names is not an nkey seed", place=f"{place}.nkey", hint=hint) from None
    return text
