// The same table as trueup's: each wallet's sum of three sources, read at the block of each of its transfers.
import { createConfig } from "ponder";
import { parseAbi } from "viem";

export default createConfig({
  database: { kind: "postgres", connectionString: process.env.BENCH_DATABASE! },
  chains: { bench: { id: 1, rpc: process.env.BENCH_HTTP!, disableCache: true } },
  contracts: {
    Token: {
      chain: "bench",
      abi: parseAbi(["event Transfer(address indexed from, address indexed to, uint256 value)"]),
      address: process.env.BENCH_TOKEN as `0x${string}`,
      startBlock: Number(process.env.BENCH_FROM),
      endBlock: Number(process.env.BENCH_TO),
    },
  },
});
