/* fault.c - the armed points, few and looked up by name: only specs pay for them. */
#include "base/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

#define ARMED_MAX 16
#define POINT_SIZE 48

typedef enum action { ACTION_FAIL, ACTION_FULL, ACTION_TORN, ACTION_KILL } action;

typedef struct armed_point {
    char name[POINT_SIZE];
    uint64_t hits_left; /* 0: it has happened */
    action action;
} armed_point;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static armed_point armed[ARMED_MAX];
static size_t armed_count;

int lion_fault_is_armed;

static bool action_of(action *action_out, const char *kind)
{
    static const char *const KINDS[] = { "fail", "full", "torn", "kill" };
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (strcmp(kind, KINDS[i]) != 0) continue;
        *action_out = (action)i;
        return true;
    }
    return false;
}

void lion_fault_arm(const char *point, uint64_t hit, const char *kind)
{
    armed_point entry = { .hits_left = hit };
    LION_ASSERT(strlen(point) < POINT_SIZE);
    LION_ASSERT(action_of(&entry.action, kind));
    memcpy(entry.name, point, strlen(point) + 1);

    pthread_mutex_lock(&lock);
    LION_ASSERT(armed_count < ARMED_MAX);
    armed[armed_count++] = entry;
    __atomic_store_n(&lion_fault_is_armed, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
}

void lion_fault_disarm(void)
{
    pthread_mutex_lock(&lock);
    armed_count = 0;
    __atomic_store_n(&lion_fault_is_armed, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
}

/* Count a hit; true when this is the one that `point` was armed for. */
static bool is_due(const char *point, action *action_out)
{
    bool is_due_now = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < armed_count; i++) {
        if (armed[i].hits_left == 0 || strcmp(armed[i].name, point) != 0) continue;
        if (--armed[i].hits_left > 0) continue;
        *action_out = armed[i].action;
        is_due_now = true;
    }
    pthread_mutex_unlock(&lock);
    return is_due_now;
}

lion_fault_kind lion_fault_hit(const char *point)
{
    action due;
    if (!is_due(point, &due)) return LION_FAULT_NONE;
    if (due == ACTION_KILL) kill(getpid(), SIGKILL);
    if (due == ACTION_TORN) return LION_FAULT_TORN;
    return due == ACTION_FULL ? LION_FAULT_FULL : LION_FAULT_FAIL;
}

/* "log.sync:3:fail,store.commit:1:kill". A malformed entry stops the process at once: a crash test
 * that silently tests nothing is worse than none. */
__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *at = getenv("LION_FAULT");
    while (at != NULL && *at != '\0') {
        char point[POINT_SIZE], kind[8];
        unsigned long long hit;
        int length = 0;
        action ignored;
        int fields = sscanf(at, "%47[^:,]:%llu:%7[a-z]%n", point, &hit, kind, &length);
        if (fields != 3 || !action_of(&ignored, kind) ||
            (at[length] != ',' && at[length] != '\0')) {
            fprintf(stderr, "lion: LION_FAULT is point:hit:fail|full|torn|kill,… not \"%s\"\n", at);
            _exit(2);
        }
        lion_fault_arm(point, hit, kind);
        at += length + (at[length] == ',');
    }
}
