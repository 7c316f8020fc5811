import { ponder } from "ponder:registry";
import { balances } from "ponder:schema";
import { parseAbi } from "viem";

const sources = process.env.BENCH_SOURCES!.split(" ").map((word) => {
  const [address, call] = word.split(":");
  const abi = parseAbi([`function ${call!.replace("(address)", "(address wallet)")} view returns (uint256)`]);
  return { address: address as `0x${string}`, abi, functionName: call!.split("(")[0]! };
});
const multicallAddress = "0xcA11bde05977b3631167028862bE2a173976CA11";

ponder.on("Token:Transfer", async ({ event, context }) => {
  for (const wallet of new Set([event.args.from, event.args.to])) {
    const contracts = sources.map((source) => ({ ...source, args: [wallet] }));
    const found = (await context.client.multicall({ contracts, multicallAddress, allowFailure: false } as never)) as bigint[];
    const balance = found.reduce((sum, value) => sum + value, 0n);
    await context.db.insert(balances).values({ wallet, balance }).onConflictDoUpdate({ balance });
  }
});
