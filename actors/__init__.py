"""trueup keeps tables of EVM wallet balances in Postgres true."""

__version__ = "0.1.0"  # pyproject.toml has it too
