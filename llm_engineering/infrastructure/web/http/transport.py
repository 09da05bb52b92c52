"""Connections that go where the guard lets them go, and end when their time is over."""

import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import httpx

from llm_engineering.domain.errors import CrawlError
from llm_engineering.infrastructure.web.http.guard import AddressGuard, UnknownHostError

# Imported where it is used: it imports trio where that is installed, which starts a process.
if TYPE_CHECKING:
    import httpcore

_IDLE_SECONDS = 15.0
_IDLE_CONNECTIONS = 64
_INSTANT_SECONDS = 0.01
_LONGEST_REASON = 150


class NoAnswerError(CrawlError):
    """A time-out or a broken connection: another try may have more luck."""


class Deadline:
    """When the time for a link is over. Waiting for one's turn does not count."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """The seconds that are left; 0 when it is over."""
        return max(0.0, self._end - self._clock())

    def extend(self, seconds: float) -> None:
        """Add what was spent on waiting for one's turn."""
        self._end += seconds


class GuardedTransport(httpx.BaseTransport):
    """Asks each host at the addresses that the guard has checked, whatever its name leads to a moment later.

    A request names its `deadline` among its extensions; the thread that sends it must also read the answer. Names are
    resolved here and not by a proxy, which would void the check: the environment's proxies are not used.
    """

    def __init__(self, guard: AddressGuard) -> None:
        import httpcore

        self._thread = threading.local()
        self._backend = _GuardedBackend(guard, self._cap)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=None,
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=cast("httpcore.NetworkBackend", self._backend),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request.

        Raises:
            NoAnswerError: a time-out, a broken connection, or an answer that is not HTTP.
            ForbiddenLinkError: the host is at an address that may not be asked.
            CrawlError: the server's certificate is not valid, or the request cannot be sent.
        """
        import httpcore

        deadline: Deadline = request.extensions["deadline"]
        self._thread.deadline = deadline
        url = request.url
        core_url = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        with _translated(deadline):
            answer = self._pool.handle_request(
                httpcore.Request(request.method, core_url, headers=request.headers.raw, extensions=request.extensions)
            )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer, deadline), request=request)

    def close(self) -> None:
        """Close the connections; a thread that waits for an answer on one gets an error at once."""
        self._backend.hang_up()
        self._pool.close()

    def _cap(self, timeout: float | None) -> float:
        """No longer than the deadline of this thread's request allows."""
        deadline: Deadline = self._thread.deadline
        left = deadline.left()
        if not left:
            raise NoAnswerError(_late(deadline))
        return left if timeout is None else min(timeout, left)


_Cap = Callable[[float | None], float]


class _GuardedBackend:
    """A `NetworkBackend` that connects to checked addresses only. TLS still checks the certificate for the name."""

    def __init__(self, guard: AddressGuard, cap: _Cap) -> None:
        import httpcore

        self._guard = guard
        self._cap = cap
        self._backend = httpcore.SyncBackend()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def hang_up(self) -> None:
        """End every connection, also those that a thread reads from."""
        for connected in list(self._sockets):
            with suppress(OSError):  # it has ended by itself
                connected.shutdown(socket.SHUT_RDWR)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable["httpcore.SOCKET_OPTION"] | None = None,
    ) -> "_TimedStream":
        import httpcore

        failure: Exception = httpcore.ConnectError("there is no address to connect to")
        for address in self._guard.addresses(host):
            try:
                stream = self._backend.connect_tcp(address, port, self._cap(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                self._sockets.add(stream.get_extra_info("socket"))
                return _TimedStream(stream, self._cap)
        raise failure


class _TimedStream:
    """A `NetworkStream` on which the deadline holds at each read: headers and bodies that drip come to an end too."""

    def __init__(self, stream: "httpcore.NetworkStream", cap: _Cap) -> None:
        self._stream = stream
        self._cap = cap

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._cap(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._cap(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_TimedStream":
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._cap(timeout)), self._cap)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: "httpcore.Response", deadline: Deadline) -> None:
        self._answer = answer
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        with _translated(self._deadline):
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextmanager
def _translated(deadline: Deadline) -> Iterator[None]:
    import httpcore

    try:
        yield
    except httpcore.TimeoutException as error:
        over = deadline.left() < _INSTANT_SECONDS
        raise NoAnswerError(_late(deadline) if over else f"no answer in time ({type(error).__name__})") from error
    except UnknownHostError as error:
        raise NoAnswerError(str(error)) from error
    except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as error:
        raise CrawlError(f"the request cannot be sent ({error})") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        cause = error.args[0] if error.args else ""  # httpcore hands over what it has caught
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise CrawlError(f"the server's certificate is not valid ({cause.verify_message})") from error
        reason = f"{type(error).__name__}: {str(cause)[:_LONGEST_REASON]}"
        raise NoAnswerError(f"the connection failed ({reason})") from error


def _late(deadline: Deadline) -> str:
    return f"not finished within {deadline.seconds:g} s"
