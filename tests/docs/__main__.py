"""`just reference`: writes what of the pages is made of the code."""

from __future__ import annotations

from tests.docs import config_reference, cost_table

if __name__ == "__main__":
    for module in (config_reference, cost_table):
        module.PAGE.write_text(module.page())
