"""TLS to nodes, over HTTP and WebSockets alike: every certificate is verified, and no key turns that off."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpx

from actors.errors import ConfigError

UNKNOWN_AUTHORITY = (18, 19, 20, 21)  # OpenSSL's numbers of certificates whose issuer nobody vouches for
_on_refusal: ContextVar[Callable[[str], object]] = ContextVar("on_refusal", default=lambda why: None)


class _Noting(ssl.SSLObject):
    """Notes why a certificate is refused: of that, the libraries above let through no more than that the connection broke."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            advice = "; tls.ca_file names private authorities" if error.verify_code in UNKNOWN_AUTHORITY else ""
            _on_refusal.get()(f"its certificate is refused: {error.verify_message.rstrip('.')}{advice}")
            raise


@contextmanager
def refusals(then: Callable[[], object] = lambda: None) -> Iterator[list[str]]:
    """Why certificates are refused inside the block, and in tasks that are begun in it; `then` is called at once."""
    noted: list[str] = []

    def note(why: str) -> None:
        noted.append(why)
        then()

    token = _on_refusal.set(note)
    try:
        yield noted
    finally:
        _on_refusal.reset(token)


def trusting(ca_file: str = "") -> ssl.SSLContext:
    """A context that trusts the public authorities, those of the system (in place of both, those of SSL_CERT_FILE and SSL_CERT_DIR), and
    those of a PEM file. ConfigError where that cannot be used.
    """
    context = httpx.create_ssl_context()
    context.load_default_certs()
    context.sslobject_class = _Noting
    try:
        if ca_file:
            context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ConfigError(f"key tls.ca_file: expected certificates in PEM, {ca_file} has none that can be used") from None
    except OSError as error:
        raise ConfigError(f"key tls.ca_file: {ca_file} cannot be read: {error.strerror}") from None
    return context
