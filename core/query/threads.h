/* threads.h - threads that work for a run: how they begin and end, and tasks that several of them share.
 * The process has LION_THREADS_ALL of them at most, for all runs. */
#ifndef LION_QUERY_THREADS_H
#define LION_QUERY_THREADS_H

#include <pthread.h>

#include "query/run.h"

/* The most threads of one run, its own counted. */
#define LION_THREADS_MAX 64
#define LION_THREADS_ALL 256

/* A thread that hears no signals: those are for the host's. false: there is none to be had. Ended by lion_thread_join. */
bool lion_thread_start(pthread_t *thread_out, void *(*work)(void *), void *argument);
void lion_thread_join(pthread_t thread);
/* A run for a thread beside the run's own: the same query and bounds, with memory of its own, which lion_thread_run_deinit
 * frees. is_stopped: as in lion_run. */
void lion_thread_run_init(lion_run *made, const lion_run *run, const bool *is_stopped);
void lion_thread_run_deinit(lion_run *made);

/* A task of several that do not depend on each other. `run` is its thread's. */
typedef lion_status (*lion_task)(void *context, uint32_t number, lion_run *run, lion_error *error);
/* Tasks 0 … count - 1, by as many threads as the run may have, its own among them. The first failure ends them all.
 * Whatever threads allocate in their runs is gone afterwards. */
lion_status lion_threads_share(lion_run *run, uint32_t count, lion_task task, void *context, lion_error *error);
/* How many tasks are worth it: several for each thread, or 0, where the run has but one thread, or is a thread's itself. */
uint32_t lion_threads_tasks(const lion_run *run);

#endif
