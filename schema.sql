-- The whole schema of trueup, in named parts. `trueup init` applies the parts that the config uses; applying it twice, or over
-- the tables of the programs that trueup takes over from, changes nothing that is there.

-- part: core
create table if not exists trueup_chains (
    chain text primary key,
    branch bigint not null default 0
);

create table if not exists trueup_blocks (
    chain text not null,
    number bigint not null,
    hash text not null,
    branch bigint not null default 0,
    since bigint, -- a closing's end: above which block it asked for logs
    primary key (chain, number, hash)
);
alter table trueup_blocks add column if not exists branch bigint not null default 0;
alter table trueup_blocks add column if not exists since bigint;

create table if not exists trueup_set_aside (
    table_name text not null,
    row_key text not null,
    block bigint,
    error text not null,
    attempts int not null,
    next_attempt timestamptz not null,
    primary key (table_name, row_key)
);

create table if not exists trueup_leases (
    role text primary key,
    holder text not null,
    until timestamptz not null
);

-- part: checkpoints
create table if not exists eth_indexer_checkpoints (
    name text primary key,
    last_block bigint,
    updated_at timestamp not null default current_timestamp
);
alter table eth_indexer_checkpoints add column if not exists confirmed bigint;

-- part: holders
-- Once for each asset, under its configured name in place of eth_wallet_balances.
create table if not exists eth_wallet_balances (
    wallet text primary key,
    balance numeric not null default 0,
    blocknumber bigint,
    updated_at timestamp not null default current_timestamp,
    created_at timestamp not null default current_timestamp
);
alter table eth_wallet_balances add column if not exists read_block bigint;

-- part: holders_index
create index on eth_wallet_balances (updated_at);
