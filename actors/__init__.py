"""trueup keeps tables of EVM wallet balances in Postgres true."""
