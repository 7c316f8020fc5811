/* As much of HTTP/1.1 as a JSON-RPC node and a load generator need: messages with a Content-Length over connections that stay open. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { char *bytes; size_t length, room; } Text;

static void reserve(Text *text, size_t more) {
    if (text->length + more <= text->room) return;
    text->room = (text->length + more) * 2;
    if (!(text->bytes = realloc(text->bytes, text->room))) exit(1);
}

/* Reads one message into `in` (which may hold the beginning of it already) and says where its body is. Returns the size of the whole
   message, 0 where the other side has closed. The body is ended by a NUL in place of what follows it, which `next` puts back. */
static size_t message(int socket, Text *in, char **body, size_t *size) {
    for (;;) {
        reserve(in, 1 << 16);
        in->bytes[in->length] = 0;
        char *end = in->length ? memmem(in->bytes, in->length, "\r\n\r\n", 4) : NULL;
        if (end) {
            *end = 0;
            char *length = strcasestr(in->bytes, "\r\ncontent-length:");
            *end = '\r';
            *size = length ? strtoull(length + 17, NULL, 10) : 0;
            *body = end + 4;
            size_t whole = (size_t)(*body - in->bytes) + *size;
            if (in->length >= whole) return whole;
            size_t at = (size_t)(*body - in->bytes);
            reserve(in, whole - in->length + 1);
            *body = in->bytes + at;
        }
        ssize_t got = recv(socket, in->bytes + in->length, in->room - in->length - 1, 0);
        if (got <= 0) return 0;
        in->length += (size_t)got;
    }
}

static void consume(Text *in, size_t whole) {
    memmove(in->bytes, in->bytes + whole, in->length - whole);
    in->length -= whole;
}

static int send_all(int socket, const char *bytes, size_t size) {
    while (size) {
        ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) return 0;
        bytes += sent, size -= (size_t)sent;
    }
    return 1;
}

static void no_delay(int socket) {
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
