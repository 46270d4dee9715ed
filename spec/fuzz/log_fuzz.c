/* log_fuzz.c - a tail of untrusted bytes: opening it gives records in order or is refused, and what
 * was given once is given again.
 *
 * The input is a list of changes (four bytes: place, what to do, value) to a sound tail; with the
 * high bit of its first byte set, the rest is laid over the tail's first extent instead, under the
 * marks of a group. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/hash.h"
#include "store/log.h"
#include "store/log_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS = 24, PREFIX = 8192 + 64 * 1024 };

static char path[64];
static uint8_t sound[PREFIX]; /* directory and the groups of a log that was never closed */

static lion_log_options options_of(uint64_t generation)
{
    return (lion_log_options){ .create = true,
                               .database_id = "one database id",
                               .generation = generation };
}

static void check_failure(const lion_error *error)
{
    LION_ASSERT(strcmp(error->code, "lion/corrupt") == 0 ||
                strcmp(error->code, "lion/version") == 0);
}

/* The records that an opening gives, in order; -1 if it is refused. */
static int64_t read_all(uint64_t generation, bool is_sealed, bool is_followed)
{
    lion_log *log = NULL;
    lion_error error = { 0 };
    lion_log_options options = options_of(generation);
    options.read_only = options.is_followed = is_followed;
    if (lion_log_open(&log, path, &options, &error) != LION_OK) {
        check_failure(&error);
        return -1;
    }
    int64_t count = 0, t = 0, last = 0;
    uint64_t sequence = 0, before = 0;
    lion_slice payload;
    lion_status status;
    while ((status = lion_log_replay(log, &t, &payload, &sequence, &error)) == LION_OK) {
        volatile uint8_t sink = 0;
        for (size_t i = 0; i < payload.size; i++) sink = (uint8_t)(sink ^ payload.data[i]);
        LION_ASSERT(sequence > before);
        LION_ASSERT(is_sealed || t > last); /* what is in a record is its writer's affair */
        before = sequence;
        last = t;
        count++;
    }
    if (status < 0) check_failure(&error);
    LION_ASSERT(lion_log_close(log, false, NULL) == LION_OK);
    return status < 0 ? -1 : count;
}

static void write_sound(void)
{
    lion_log *log = NULL;
    lion_log_options options = options_of(1);
    snprintf(path, sizeof path, "/dev/shm/lion-log-fuzz-%d", (int)getpid());
    unlink(path);
    LION_ASSERT(lion_log_open(&log, path, &options, NULL) == LION_OK);
    int64_t t = 0;
    lion_slice payload;
    uint64_t sequence = 0;
    LION_ASSERT(lion_log_replay(log, &t, &payload, &sequence, NULL) == LION_END);
    for (t = 1; t <= RECORDS; t++) {
        uint8_t bytes[600];
        memset(bytes, (int)t, sizeof bytes);
        lion_slice record = lion_slice_of(bytes, (size_t)t * 97 % sizeof bytes);
        LION_ASSERT(lion_log_append(log, t, record, &sequence, NULL) == LION_OK);
        if (t % 2 == 0) LION_ASSERT(lion_log_sync(log, sequence, NULL) == LION_OK);
    }
    int file = open(path, O_RDONLY);
    LION_ASSERT(file >= 0);
    LION_ASSERT(pread(file, sound, sizeof sound, 0) == (ssize_t)sizeof sound);
    close(file);
    LION_ASSERT(lion_log_close(log, false, NULL) == LION_OK);
}

static void change(uint8_t *bytes, const uint8_t *data, size_t size)
{
    for (; size >= 4; data += 4, size -= 4) {
        size_t at = ((size_t)data[0] << 8 | data[1]) * 2 % PREFIX;
        if (data[2] % 4 == 0)
            memset(bytes + at, data[3], at + 512 < PREFIX ? 512 : PREFIX - at);
        else if (data[2] % 4 == 1 && at >= 8192 + 1024) /* a group where another stood */
            memcpy(bytes + at / 512 * 512, bytes + at / 512 * 512 - 512, 512);
        else
            bytes[at] = data[3];
    }
}

/* A checksum that holds, so that the fields behind it are read. */
static void seal(uint8_t *bytes, const uint8_t *data, size_t size)
{
    lion_log_group group;
    size_t room = size < 4096 ? size : 4096;
    memcpy(&group, bytes + 8192, sizeof group);
    memcpy(bytes + 8192 + sizeof group, data, room);
    if (size > 2) group.count = data[0];
    group.size = (uint32_t)(sizeof group + room);
    memcpy(bytes + 8192, &group, sizeof group);
    uint64_t checksum = lion_log_group_checksum(bytes + 8192, group.size, 8192);
    memcpy(bytes + 8192, &checksum, sizeof checksum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[PREFIX];
    if (path[0] == 0) write_sound();
    if (size < 1) return 0;
    memcpy(bytes, sound, sizeof bytes);
    bool is_sealed = (data[0] & 128) != 0;
    if (!is_sealed)
        change(bytes, data + 1, size - 1);
    else
        seal(bytes, data + 1, size - 1);
    int file = open(path, O_RDWR);
    LION_ASSERT(file >= 0);
    LION_ASSERT(pwrite(file, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
    close(file);
    int64_t seen = read_all(2, is_sealed, true);
    int64_t first = read_all(2, is_sealed, false);
    LION_ASSERT(seen == first); /* whoever follows sees what an owner finds */
    if (first >= 0) LION_ASSERT(read_all(3, is_sealed, false) == first);
    return 0;
}

__attribute__((destructor)) static void remove_file(void)
{
    if (path[0] != 0) unlink(path);
}
