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

-- What calls to nodes have cost, in the provider's units; `day` is UTC's.
create table if not exists trueup_spend (
    chain text not null,
    day date not null,
    actor text not null,
    method text not null,
    calls bigint not null,
    units bigint not null,
    primary key (chain, day, actor, method)
);

-- part: audit
-- Rows that the audit found wrong, as they were found: the newest 10,000. `outcome` is null while a row is being mended.
create table if not exists trueup_audit (
    id bigint generated always as identity primary key,
    table_name text not null,
    wallet text not null,
    balance numeric not null,
    read_block bigint not null,
    updated_at timestamp not null,
    chain_balance numeric, -- null: the chain has no such block
    block_hash text,
    endpoints text not null,
    branch bigint not null,
    note text not null default '',
    found_at timestamptz not null default clock_timestamp(),
    outcome text,
    concluded_at timestamptz,
    unique (table_name, wallet, read_block, updated_at)
);

-- part: ledger_chains
-- Which chain the node of a row of `chains` was on when it was first asked.
create table if not exists trueup_ledger_chains (
    chain text primary key,
    chain_id bigint not null
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

-- The second seed's tables: each only where there is none of that name, and its foreign keys only to tables made along with it.

-- part: chains
create table if not exists chains (
    id uuid primary key,
    name text not null,
    rpc_url text,
    is_active boolean not null default true
);

-- part: asset_on_chain
create table if not exists asset_on_chain (
    id uuid primary key,
    chain_id uuid not null,
    asset_id uuid,
    contract_address text,
    decimals integer,
    is_native boolean not null default false,
    is_active boolean not null default true
);

-- part: addresses
-- Once for each lookup of `ledger.address_from` that is not there, in place of user_wallet_addresses.
create table if not exists user_wallet_addresses (
    id uuid primary key,
    address text not null,
    chain_id uuid,
    is_active boolean not null default true
);

-- part: wallet_balances
create table if not exists wallet_balances (
    id uuid primary key,
    wallet_id uuid not null,
    asset_on_chain_id uuid not null,
    on_chain_balance_raw text,
    on_chain_balance_human numeric,
    processing_status text default 'idle',
    locked_until timestamptz,
    locked_by text,
    last_checked timestamptz,
    last_processed_at timestamptz,
    last_error text,
    last_error_at timestamptz,
    sync_count integer default 0,
    error_count integer default 0,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

-- part: wallet_balances_address
alter table wallet_balances add column if not exists address text;

-- part: wallet_balances_index
create index on wallet_balances (last_checked nulls first);

-- What a role of least privileges needs beside each part, and no more: `trueup init --role NAME` grants it to NAME in place of trueup_service,
-- as far as it is missing. Of a table that other programs may own, only the columns concerned; columns that are not there are left out.

-- part: core_role
grant select, insert, update on trueup_chains to trueup_service;
grant select, insert, update, delete on trueup_blocks to trueup_service;
grant select, insert, update, delete on trueup_set_aside to trueup_service;
grant select, insert, update, delete on trueup_leases to trueup_service;
grant select, insert, update on trueup_spend to trueup_service;

-- part: audit_role
grant select, insert, update, delete on trueup_audit to trueup_service;

-- part: ledger_chains_role
grant select, insert, update on trueup_ledger_chains to trueup_service;

-- part: checkpoints_role
grant select, insert (name, last_block, confirmed), update (last_block, confirmed, updated_at) on eth_indexer_checkpoints to trueup_service;

-- part: holders_role
-- Once for each asset, as its table. The whole of a row is read: its place (ctid) is how the audit draws at random.
grant select, update (balance, blocknumber, updated_at, read_block) on eth_wallet_balances to trueup_service;

-- part: holders_insert_role
-- Not for an asset with track = "table".
grant insert (wallet, balance, blocknumber, updated_at, read_block) on eth_wallet_balances to trueup_service;

-- part: ledger_role
grant select (id, name, rpc_url, is_active) on chains to trueup_service;
grant select (id, chain_id, contract_address, decimals, is_native, is_active) on asset_on_chain to trueup_service;
grant select (id, wallet_id, asset_on_chain_id, on_chain_balance_raw, on_chain_balance_human, processing_status, locked_until, locked_by,
    last_checked, last_processed_at, last_error, last_error_at, sync_count, error_count, updated_at, address) on wallet_balances to trueup_service;
grant update (on_chain_balance_raw, on_chain_balance_human, processing_status, locked_until, locked_by, last_checked, last_processed_at,
    last_error, last_error_at, sync_count, error_count, updated_at) on wallet_balances to trueup_service;

-- part: addresses_role
-- Once for each lookup of `ledger.address_from`, as its table.
grant select (id, address, chain_id, is_active) on user_wallet_addresses to trueup_service;
