import { onchainTable } from "ponder";

export const balances = onchainTable("balances", (t) => ({
  wallet: t.hex().primaryKey(),
  balance: t.bigint().notNull(),
}));
