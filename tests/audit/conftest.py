"""The same endpoints as the tests of provider faults have."""

from tests.provider_faults.conftest import behind, first, proxy, second

__all__ = ["behind", "first", "proxy", "second"]
