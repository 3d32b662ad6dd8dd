"""What these tests share: the ledger is right after each of them."""

from tests.balanced import ledger_is_right

__all__ = ["ledger_is_right"]
