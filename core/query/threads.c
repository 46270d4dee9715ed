/* threads.c - threads of runs, and tasks that they share by a counter. */
#include "query/threads.h"

#include <signal.h>

#define TASKS_EACH 4

static uint32_t alive; /* atomic */

static bool count_thread(void)
{
    if (__atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED) <= LION_THREADS_ALL) return true;
    __atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
    return false;
}

bool lion_thread_start(pthread_t *thread_out, void *(*work)(void *), void *argument)
{
    sigset_t all, before;
    if (!count_thread()) return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(thread_out, NULL, work, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) __atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
    return code == 0;
}

void lion_thread_join(pthread_t thread)
{
    pthread_join(thread, NULL);
    __atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
}

void lion_thread_run_init(lion_run *made, const lion_run *run, const bool *is_stopped)
{
    *made = *run;
    made->call = NULL;
    made->at_work = NULL; /* an operator of another thread's */
    made->options.temp_max = 0; /* what is large is shared, and was made before */
    made->is_stopped = is_stopped;
    lion_arena_init(&made->arena, run->options.memory_max);
    lion_spill_init(&made->spill, &made->arena, 0);
}

void lion_thread_run_deinit(lion_run *made)
{
    lion_arena_deinit(&made->arena);
}

/* ---- tasks ---- */

typedef struct crew {
    lion_task task;
    void *context;
    uint32_t count;
    uint32_t next;             /* atomic: the first that nobody has begun */
    bool is_stopped;           /* atomic: one has failed */
} crew;

typedef struct member {
    crew *crew;
    lion_run *run;
    lion_run own;              /* of those that are not the run's own thread */
    pthread_t thread;
    bool is_first_to_fail;
    lion_status status;
    lion_error error;
} member;

static void *run_member(void *argument)
{
    member *self = argument;
    crew *all = self->crew;
    while (self->status == LION_OK && !__atomic_load_n(&all->is_stopped, __ATOMIC_RELAXED)) {
        uint32_t number = __atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED);
        if (number >= all->count) break;
        self->status = all->task(all->context, number, self->run, &self->error);
        if (self->status != LION_OK) self->is_first_to_fail = !__atomic_exchange_n(&all->is_stopped, true, __ATOMIC_RELAXED);
    }
    return NULL;
}

uint32_t lion_threads_tasks(const lion_run *run)
{
    uint32_t threads = run->options.threads < LION_THREADS_MAX ? run->options.threads : LION_THREADS_MAX;
    return threads > 1 && run->is_stopped == NULL ? threads * TASKS_EACH : 0;
}

lion_status lion_threads_share(lion_run *run, uint32_t count, lion_task task, void *context, lion_error *error)
{
    crew all = { .task = task, .context = context, .count = count };
    uint32_t most = lion_threads_tasks(run) / TASKS_EACH, started = 1;
    if (most == 0) most = 1;
    member *members = lion_arena_zalloc(&run->arena, sizeof(member) * most);
    if (members == NULL) return lion_fail_memory(error);
    members[0] = (member){ .crew = &all, .run = run };
    for (; started < most && started < count && run->thread_count + started < most; started++) {
        member *next = &members[started];
        *next = (member){ .crew = &all, .run = &next->own };
        lion_thread_run_init(&next->own, run, &all.is_stopped);
        if (lion_thread_start(&next->thread, run_member, next)) continue;
        lion_thread_run_deinit(&next->own);
        break;
    }
    run_member(&members[0]);
    lion_status status = LION_OK;
    for (uint32_t i = 0; i < started; i++) {
        if (i > 0) lion_thread_join(members[i].thread);
        if (i > 0) lion_thread_run_deinit(&members[i].own);
        if (!members[i].is_first_to_fail) continue;
        status = members[i].status;
        if (error != NULL) *error = members[i].error;
    }
    lion_arena_release(&run->arena, members, sizeof(member) * most);
    return status;
}
