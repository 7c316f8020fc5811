/* Sends one request body over and over, on so many connections for so many seconds: what a node can answer at most.
   replay PORT CONNECTIONS SECONDS FILE prints the number of answers, the seconds, and the CPU seconds that it used itself. */
#include "http.h"

static int port;
static double until;
static Text request;
static atomic_long answers;

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *replay(void *unused) {
    (void)unused;
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int node = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(node, (struct sockaddr *)&where, sizeof where)) exit(2);
    no_delay(node);
    Text in = {0};
    while (now(CLOCK_MONOTONIC) < until) {
        char *body;
        size_t size, whole;
        if (!send_all(node, request.bytes, request.length) || !(whole = message(node, &in, &body, &size)) || !size) exit(3);
        char was = body[size];
        body[size] = 0;
        if (!strstr(body + (size > 200 ? size - 200 : 0), "\"}") || strstr(body, "\"error\"")) exit(4);
        body[size] = was;
        consume(&in, whole);
        answers++;
    }
    return NULL;
}

int main(int count, char **words) {
    if (count != 5) return 1;
    port = atoi(words[1]);
    FILE *file = fopen(words[4], "rb");
    if (!file) return 1;
    Text body = {0};
    size_t got;
    do {
        reserve(&body, 1 << 16);
        body.length += got = fread(body.bytes + body.length, 1, 1 << 16, file);
    } while (got);
    reserve(&request, body.length + 200);
    request.length = (size_t)sprintf(request.bytes, "POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body.length);
    memcpy(request.bytes + request.length, body.bytes, body.length);
    request.length += body.length;
    double began = now(CLOCK_MONOTONIC);
    until = began + atof(words[3]);
    int connections = atoi(words[2]);
    pthread_t threads[64];
    if (connections < 1 || connections > 64) return 1;
    for (int i = 0; i < connections; i++) pthread_create(&threads[i], NULL, replay, NULL);
    for (int i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    printf("%ld %.6f %.6f\n", (long)answers, now(CLOCK_MONOTONIC) - began, now(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
