"""Words in, code out."""

from __future__ import annotations

import pytest

from actors.evm.assembler import assemble


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", ""),
        ("STOP ; the end", "00"),
        ("0 1 255 256", "6000" "6001" "60ff" "610100"),
        ("0x00 0x0001 0xFFFFFF", "6000" "610001" "62ffffff"),
        ("0x140", "610140"),
        ("DUP1 DUP16 SWAP1 SWAP16", "80" "8f" "90" "9f"),
        ("1\n2 ADD ; three\n0 MSTORE", "6001" "6002" "01" "6000" "52"),
        ("on: @on JUMP", "5b" "610000" "56"),
        ("@off JUMP STOP off:", "610005" "56" "00" "5b"),
        ("0x" + "ff" * 32, "7f" + "ff" * 32),
    ],
)  # fmt: skip
def test_a_program_is_assembled(text: str, code: str) -> None:
    assert assemble(text).hex() == code


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ADDD", "no such instruction: ADDD"),
        ("DUP0", "DUP0"),
        ("DUP17", "DUP17"),
        ("-1", "-1"),
        ("0x", "0x"),
        ("@there", "nothing is called there"),
        ("on: on:", "on: is there twice"),
        ("0x1" + "00" * 32, "more than a word"),
    ],
)
def test_what_is_no_program_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        assemble(text)
