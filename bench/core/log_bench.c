/* log_bench.c - commits per second through the log tail, against a bare overwrite + fdatasync of
 * the same bytes on the same disk in the same run.   log_bench [FOLDER] [SECONDS]  */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bare.h"
#include "store/log.h"

#define PAYLOAD 200
#define THREADS_MAX 64

static double seconds = 2;
static char path[512];

typedef struct run {
    lion_log *log;
    pthread_mutex_t writer; /* the connection's: appends are serialised */
    int64_t t;
    double end;
    uint64_t commits; /* atomic */
} run;

static void *commit_until_end(void *argument)
{
    run *r = argument;
    uint8_t payload[PAYLOAD] = { 1 };
    uint64_t count = 0;
    while (now() < r->end) {
        uint64_t sequence = 0;
        pthread_mutex_lock(&r->writer);
        lion_status status = lion_log_append(r->log, ++r->t, lion_slice_of(payload, sizeof payload),
                                             &sequence, NULL);
        pthread_mutex_unlock(&r->writer);
        if (status == LION_OK) status = lion_log_sync(r->log, sequence, NULL);
        if (status != LION_OK) exit(1);
        /* An indexer that keeps up: the file is recycled. */
        if (sequence % 8192 == 0) lion_log_trim(r->log, sequence, NULL);
        count++;
    }
    __atomic_add_fetch(&r->commits, count, __ATOMIC_RELAXED);
    return NULL;
}

static double log_rate(size_t threads, lion_durability durability)
{
    lion_error error = { 0 };
    lion_log_options options = { .durability = durability, .create = true, .generation = 1 };
    run r = { .writer = PTHREAD_MUTEX_INITIALIZER };
    if (lion_log_open(&r.log, path, &options, &error) != LION_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    double start = now();
    r.end = start + seconds;
    pthread_t ids[THREADS_MAX];
    for (size_t i = 0; i < threads; i++) pthread_create(&ids[i], NULL, commit_until_end, &r);
    for (size_t i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    double rate = (double)r.commits / (now() - start);
    lion_log_close(r.log, true, NULL);
    return rate;
}

int main(int count, char **arguments)
{
    snprintf(path, sizeof path, "%s/log-bench.lion-log", count > 1 ? arguments[1] : ".");
    if (count > 2) seconds = atof(arguments[2]);

    printf("%-34s %12s %8s\n", "commits of 200 bytes", "a second", "ratio");
    double bare = bare_rate(path, PAYLOAD, seconds);
    printf("%-34s %12.0f %8.2f\n", "bare overwrite + fdatasync", bare, 1.0);
    static const size_t THREADS[] = { 1, 4, 16, 64 };
    for (size_t i = 0; i < sizeof THREADS / sizeof THREADS[0]; i++) {
        double rate = log_rate(THREADS[i], LION_DURABILITY_FULL);
        printf("full, %2zu thread%s %17s %12.0f %8.2f\n", THREADS[i], THREADS[i] == 1 ? " " : "s",
               "", rate, rate / bare);
    }
    double rate = log_rate(4, LION_DURABILITY_INTERVAL);
    printf("%-34s %12.0f %8.2f\n", "interval of 100 ms, 4 threads", rate, rate / bare);
    double again = bare_rate(path, PAYLOAD, seconds);
    printf("%-34s %12.0f %8.2f\n", "bare again (how steady the disk is)", again, again / bare);
    return 0;
}
