"""HTTP/1.1 requests out of a byte stream, responses into one: as much as a simulated venue on loopback needs.

Bodies have a Content-Length; chunked ones are refused.
"""

from __future__ import annotations

from email.parser import BytesHeaderParser
from http import HTTPStatus

from gwcore.rest import HttpRequest, HttpResponse

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 4 * 1024 * 1024
_END = b"\r\n\r\n"


class BadRequest(Exception):
    """What arrived is no request that is understood. The text goes into the answer."""


class RequestReader:
    """Feed it bytes; `next` gives whole requests. `head_of` leaves the bytes, for a WebSocket to take over."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Bytes from the socket."""
        self._buffer += data

    def take_all(self) -> bytes:
        """All that is buffered; it is gone here then."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def head(self) -> HttpRequest | None:
        """The first request without its body, None until its head is whole. Raises BadRequest."""
        end = self._buffer.find(_END)
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise BadRequest(f"the head is larger than {HEAD_BYTES_MAX} bytes")
            return None
        line, _, rest = bytes(self._buffer[:end]).partition(b"\r\n")
        words = line.decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest(f"not an HTTP/1.1 request line: {line!r:.80}")
        parsed = BytesHeaderParser().parsebytes(rest)
        headers = {name.lower(): str(value) for name, value in parsed.items()}
        return HttpRequest(method=words[0], url=words[1], headers=headers)

    def next(self) -> HttpRequest | None:
        """The first whole request, taken out of the buffer. Raises BadRequest."""
        head = self.head()
        if head is None:
            return None
        if "transfer-encoding" in head.headers:
            raise BadRequest("chunked bodies are not taken: send a Content-Length")
        length = head.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            raise BadRequest(f"Content-Length {length!r:.40} is not 0 to {BODY_BYTES_MAX}")
        start = self._buffer.find(_END) + len(_END)
        if len(self._buffer) < start + int(length):
            return None
        body = bytes(self._buffer[start : start + int(length)])
        del self._buffer[: start + int(length)]
        return HttpRequest(method=head.method, url=head.url, headers=head.headers, body=body)


def response_bytes(response: HttpResponse, *, close: bool) -> bytes:
    """A response as it goes over the wire."""
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {response.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [f"content-length: {len(response.body)}", f"connection: {'close' if close else 'keep-alive'}"]
    return "\r\n".join(lines).encode("latin-1") + _END + response.body
