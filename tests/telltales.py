"""Nodes that repeat all that they know of their caller: its URL, its key, its credentials."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.proxy import Answer, Ask, Call, Fault, Post, Response, Say


@dataclass(eq=False)
class Telltale(Fault):
    """Each request is answered in another of the ways in which nodes and those in front of them refuse."""

    told: str = ""
    begins: int = 0

    async def on_request(self, body: bytes, post: Post) -> Response:
        turn = self.begins + self.struck
        self.strike()
        error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": self.told, "data": self.told}}
        said, plain = json.dumps(error).encode(), self.told.encode()
        answers = [
            Response(said, 401, (("www-authenticate", self.told),)),
            Response(said, 429, (("retry-after", self.told),)),
            Response(plain, 302, (("location", f"http://elsewhere.example/{self.told}"),)),
            Response(b"<html>" + plain, 500),
            Response(said),
            Response(plain),
            Response(json.dumps(self.told).encode()),
        ]
        return answers[turn % len(answers)]

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        self.strike()
        return {"error": {"code": -32000, "message": self.told, "data": self.told}}

    async def on_note(self, note: dict[str, object], say: Say) -> None:
        self.strike()
        await say({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": self.told, "result": {"number": self.told}}})


@dataclass(eq=False)
class RevertsFor(Fault):
    """A read of one wallet reverts, with a reason that tells."""

    wallet: bytes = b""
    told: str = ""

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if call.method != "eth_call" or self.wallet.hex() not in str(call.params):
            return await ask(call)
        self.strike()
        return {"error": {"code": 3, "message": f"execution reverted: {self.told}", "data": "0x"}}
