// viem's `multicall` action: reads WALLETS (lines `wallet sum`) in chunks and compares each sum.
// reads.mjs URL WALLETS CHUNK CONTRACT:CALL… ; prints {"wallets", "wrong", "cpu_secs", "wall_secs"} of the reading alone.
import { readFileSync } from "node:fs";
import { createPublicClient, http, parseAbi } from "viem";
import { mainnet } from "viem/chains";

const [url, path, chunk, ...words] = process.argv.slice(2);
const rows = readFileSync(path, "utf8").trim().split("\n").map((line) => line.split(" "));
const sources = words.map((word) => {
  const [address, call] = word.split(":");
  const abi = parseAbi([`function ${call.replace("(address)", "(address wallet)")} view returns (uint256)`]);
  return { address, abi, functionName: call.split("(")[0] };
});
const chain = { ...mainnet, contracts: { multicall3: { address: "0xcA11bde05977b3631167028862bE2a173976CA11" } } };
const client = createPublicClient({ chain, transport: http(url, { timeout: 60_000 }) });
const blockNumber = (await client.getBlockNumber()) - 2n;

const began = performance.now();
const used = process.cpuUsage();
let wrong = 0;
for (let at = 0; at < rows.length; at += Number(chunk)) {
  const some = rows.slice(at, at + Number(chunk));
  const contracts = some.flatMap(([wallet]) => sources.map((source) => ({ ...source, args: [wallet] })));
  const found = await client.multicall({ contracts, blockNumber, batchSize: 65_536, allowFailure: false });
  some.forEach(([, truth], i) => {
    let sum = 0n;
    for (let j = 0; j < sources.length; j++) sum += found[i * sources.length + j];
    if (sum !== BigInt(truth)) wrong += 1;
  });
}
const { user, system } = process.cpuUsage(used);
const out = { wallets: rows.length, wrong, cpu_secs: (user + system) / 1e6, wall_secs: (performance.now() - began) / 1e3 };
console.log(JSON.stringify(out));
process.exit(0);
