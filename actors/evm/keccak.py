"""Keccak-256, as Ethereum means it (not SHA3-256)."""

from __future__ import annotations

from Crypto.Hash import keccak as _keccak


def keccak(data: bytes) -> bytes:
    """The 32-byte digest."""
    return _keccak.new(digest_bits=256, data=data).digest()
