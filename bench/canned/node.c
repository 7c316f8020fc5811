/* A node that computes what it answers from the question alone: it shows what a client can do at most.

   node PORT GAS_CAP GAS_PACKED GAS_MULTICALL3: the cap for one eth_call, and what a holder costs in either kind of call; a call that would
   cost more is refused as anvil refuses it. The chain is made up: 100 blocks that never grow. A holder's balances follow from its address
   by the formula of bench/holders.py. `canned_counts` says how many calls of each method there were. */
#include "http.h"

enum { HEAD = 100, FIRST_TIME = 1700000000, DATA_GAS = 320, MOST_CONNECTIONS = 64 };
static const char *METHODS[] = {"eth_call", "eth_getBlockByNumber", "eth_getBlockByHash", "eth_getCode", "eth_chainId", "eth_blockNumber", "eth_getLogs"};
enum { KINDS = sizeof METHODS / sizeof *METHODS };
static atomic_long counts[KINDS];
static uint64_t gas_cap, gas_packed, gas_multicall3;
typedef unsigned __int128 Wide;

/* Writing. */
static void add(Text *out, const char *text) {
    size_t size = strlen(text);
    reserve(out, size);
    memcpy(out->bytes + out->length, text, size);
    out->length += size;
}

static void digits(Text *out, Wide value, int count) {
    static const char *HEX = "0123456789abcdef";
    reserve(out, (size_t)count);
    for (int i = count - 1; i >= 0; i--, value >>= 4) out->bytes[out->length + (size_t)i] = HEX[value & 15];
    out->length += (size_t)count;
}

static void word(Text *out, Wide value) {
    digits(out, 0, 32);
    digits(out, value, 32);
}

/* A made-up 32-byte word of a block: its hash begins with b1, its PREVRANDAO with 4d. */
static void of_block(Text *out, const char *kind, uint64_t number) {
    for (int i = 0; i < 24; i++) add(out, kind);
    digits(out, number, 16);
}

/* Reading. */
static uint64_t hex(const char *text, int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; i++) {
        char c = text[i];
        value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
}

static size_t hex_length(const char *text) {
    const char *end = strchr(text, '"');
    return end ? (size_t)(end - text) : 0;
}

/* What the contracts say of the holder whose address is these 40 digits. */
static Wide held(const char *wallet) { return (Wide)hex(wallet, 16) * 1000000; }
static Wide staked(const char *wallet) { return (Wide)hex(wallet + 16, 16) * 10000; }
static Wide delegated(const char *wallet) { return hex(wallet + 32, 8); }

/* The block that a string in the JSON names; -1 where there is none such. */
static int64_t block_of(const char *text) {
    if (!strncmp(text, "latest", 6) || !strncmp(text, "pending", 7)) return HEAD;
    if (strncmp(text, "0x", 2)) return -1;
    size_t length = hex_length(text);
    if (length == 66) {
        for (int i = 0; i < 24; i++) if (strncmp(text + 2 + 2 * i, "b1", 2)) return -1;
        text += 48;
        length = 18;
    }
    uint64_t number = length > 2 && length <= 18 ? hex(text + 2, (int)length - 2) : HEAD + 1;
    return number <= HEAD ? (int64_t)number : -1;
}

/* Answers: each adds `"result":…` or `"error":…`. */
static void refuse(Text *out, int code, const char *why) {
    char text[200];
    snprintf(text, sizeof text, "\"error\":{\"code\":%d,\"message\":\"%s\"}", code, why);
    add(out, text);
}

static void header(Text *out, int64_t number) {
    if (number < 0) { add(out, "\"result\":null"); return; }
    add(out, "\"result\":{\"difficulty\":\"0x0\",\"number\":\"0x");
    digits(out, (Wide)number, 2);
    add(out, "\",\"timestamp\":\"0x");
    digits(out, (Wide)(FIRST_TIME + 12 * number), 8);
    add(out, "\",\"hash\":\"0x");
    of_block(out, "b1", (uint64_t)number);
    add(out, "\",\"parentHash\":\"0x");
    of_block(out, "b1", (uint64_t)(number ? number - 1 : 0));
    add(out, "\",\"mixHash\":\"0x");
    of_block(out, "4d", (uint64_t)number);
    add(out, "\"}");
}

static int within(const char *code, const char *part) {
    const char *found = strstr(code, part);
    return found && found < strchr(code, '"');
}

/* A wallet alone, source by source: whether the call succeeded, how many bytes it returned, the first word of them. */
static void explained(Text *out, const char *wallet) {
    Wide values[] = {held(wallet), staked(wallet), delegated(wallet)};
    for (int i = 0; i < 3; i++) {
        word(out, 1);
        word(out, 32);
        word(out, values[i]);
    }
}

/* THE LAYOUT OF A PACKED ANSWER: change it here when actors/evm/programs.py does. Seven attested words (gas at first, block number, the
   parent's hash, timestamp, PREVRANDAO, chain id, gas at last), then one word of 16 or 32 bytes a holder. The program that answers in 16
   bytes is known by the mask that it narrows with, the one that explains a single wallet by what it lacks: `RETURNDATASIZE EQ AND`. */
static void packed(Text *out, const char *data, const char *code, int64_t block) {
    size_t holders = hex_length(data) / 40;
    if (holders * gas_packed > gas_cap) { refuse(out, -32603, "EVM error OutOfGas"); return; }
    int narrow = within(code, "6fffffffffffffffffffffffffffffffff");
    uint64_t first = gas_cap - 21000 - holders * DATA_GAS;
    reserve(out, holders * 64 + 1000);
    add(out, "\"result\":\"0x");
    word(out, first);
    word(out, (Wide)block);
    of_block(out, "b1", (uint64_t)(block ? block - 1 : 0));
    word(out, (Wide)(FIRST_TIME + 12 * block));
    of_block(out, "4d", (uint64_t)block);
    word(out, 1);
    word(out, first - holders * (gas_packed - DATA_GAS));
    if (holders == 1 && !within(code, "3d1416")) { explained(out, data); holders = 0; }
    for (; holders; holders--, data += 40) {
        Wide sum = held(data) + staked(data) + delegated(data);
        if (!narrow) digits(out, 0, 32);
        digits(out, sum, 32);
    }
    add(out, "\"");
}

/* One call inside aggregate3: `target` is an address's last eight digits, `data` the selector and, where there is one, the argument. */
static void inner(Text *out, const char *target, const char *data, int64_t block) {
    if (!strncmp(target, "000070ce", 8)) word(out, held(data + 32));
    else if (!strncmp(target, "00057a4e", 8)) word(out, staked(data + 32));
    else if (!strncmp(target, "de1e6a7e", 8)) word(out, delegated(data + 32));
    else if (!strncmp(data, "42cbb15c", 8)) word(out, (Wide)block);
    else if (!strncmp(data, "27e86d6e", 8)) of_block(out, "b1", (uint64_t)(block ? block - 1 : 0));
    else if (!strncmp(data, "0f28c97d", 8)) word(out, (Wide)(FIRST_TIME + 12 * block));
    else if (!strncmp(data, "72425d9d", 8)) of_block(out, "4d", (uint64_t)block);
    else if (!strncmp(data, "3408e470", 8)) word(out, 1);
    else word(out, 0);
}

static void aggregate3(Text *out, const char *data, int64_t block) {
    size_t calls = hex(data + 8 + 64 + 48, 16);
    const char *base = data + 8 + 128;
    if (calls / 3 * gas_multicall3 > gas_cap) { refuse(out, -32603, "EVM error OutOfGas"); return; }
    reserve(out, calls * 5 * 64 + 1000);
    add(out, "\"result\":\"0x");
    word(out, 32);
    word(out, calls);
    for (size_t i = 0; i < calls; i++) word(out, calls * 32 + i * 128);
    for (size_t i = 0; i < calls; i++) {
        const char *call = base + 2 * hex(base + 64 * i + 48, 16);
        word(out, 1);
        word(out, 64);
        word(out, 32);
        inner(out, call + 56, call + 4 * 64, block);
    }
    add(out, "\"");
}

static void call(Text *out, const char *params) {
    const char *end = strchr(params, '}'), *data = strstr(params, "\"data\":\"0x"), *to = strstr(params, "\"to\":\"0x");
    if (!end || !data || data > end || !to || to > end) { refuse(out, -32000, "a call without data or target"); return; }
    const char *where = strchr(end, '"'), *code = strstr(end, "\"code\":\"0x");
    if (where && !strncmp(where, "\"blockHash\":", 12)) where = strchr(where + 12, '"');
    int64_t block = where ? block_of(where + 1) : -1;
    if (block < 0) refuse(out, -32001, "Resource not found");
    else if (code) packed(out, data + 10, code + 10, block);
    else if (!strncmp(data + 10, "82ad56cb", 8)) aggregate3(out, data + 10, block);
    else refuse(out, -32000, "nothing is known of this call");
}

static void tell_counts(Text *out) {
    add(out, "\"result\":{");
    for (int i = 0; i < KINDS; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s\"%s\":%ld", i ? "," : "", METHODS[i], (long)counts[i]);
        add(out, text);
    }
    add(out, "}");
}

static void answer(Text *out, const char *body) {
    const char *method = strstr(body, "\"method\":"), *id = strstr(body, "\"id\":"), *params = strstr(body, "\"params\":");
    char start[80];
    snprintf(start, sizeof start, "{\"jsonrpc\":\"2.0\",\"id\":%ld,", id ? strtol(id + 5, NULL, 10) : 0);
    add(out, start);
    int kind = 0;
    method = method ? strchr(method + 9, '"') + 1 : "";
    while (kind < KINDS && (strncmp(method, METHODS[kind], strlen(METHODS[kind])) || method[strlen(METHODS[kind])] != '"')) kind++;
    if (kind < KINDS) counts[kind]++;
    const char *first = params ? strchr(params + 9, '"') : NULL;
    if (*body == '[') refuse(out, -32600, "no batches here");
    else if (!strncmp(method, "canned_counts", 13)) tell_counts(out);
    else if (kind == 0 && params) call(out, params);
    else if ((kind == 1 || kind == 2) && first) header(out, block_of(first + 1));
    else if (kind == 3) add(out, "\"result\":\"0x00\"");
    else if (kind == 4) add(out, "\"result\":\"0x1\"");
    else if (kind == 5) add(out, "\"result\":\"0x64\"");
    else if (kind == 6) add(out, "\"result\":[]");
    else refuse(out, -32601, "Method not found");
    add(out, "}");
}

static void *serve(void *argument) {
    int client = (int)(intptr_t)argument;
    Text in = {0}, out = {0};
    char *body, head[120];
    size_t size, whole;
    no_delay(client);
    while ((whole = message(client, &in, &body, &size))) {
        char was = body[size];
        body[size] = 0;
        out.length = 0;
        answer(&out, body);
        body[size] = was;
        int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", out.length);
        if (!send_all(client, head, (size_t)length) || !send_all(client, out.bytes, out.length)) break;
        consume(&in, whole);
    }
    free(in.bytes), free(out.bytes);
    close(client);
    return NULL;
}

int main(int count, char **words) {
    if (count != 5) return 1;
    gas_cap = strtoull(words[2], NULL, 10), gas_packed = strtoull(words[3], NULL, 10), gas_multicall3 = strtoull(words[4], NULL, 10);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&where, sizeof where) || listen(listener, MOST_CONNECTIONS)) return 2;
    for (;;) {
        int client = accept(listener, NULL, NULL);
        pthread_t thread;
        if (client >= 0 && !pthread_create(&thread, NULL, serve, (void *)(intptr_t)client)) pthread_detach(thread);
    }
}
