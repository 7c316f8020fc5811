// Compiles Town.sol with solc's npm package into contracts.json: `just contracts`.
const fs = require("fs"), path = require("path"), solc = require(process.argv[2] + "/node_modules/solc");
const source = fs.readFileSync(path.join(__dirname, "Town.sol"), "utf8");
const input = { language: "Solidity", sources: { "Town.sol": { content: source } }, settings: { evmVersion: "paris",
  optimizer: { enabled: true, runs: 200 }, metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object"] } } } };
const output = JSON.parse(solc.compile(JSON.stringify(input)));
for (const error of output.errors || []) if (error.severity === "error") { console.error(error.formattedMessage); process.exit(1); }
const found = {};
for (const [name, contract] of Object.entries(output.contracts["Town.sol"]))
  found[name] = { bytecode: contract.evm.bytecode.object, deployedBytecode: contract.evm.deployedBytecode.object };
fs.writeFileSync(path.join(__dirname, "..", "contracts.json"), JSON.stringify(found, null, 1) + "\n");
