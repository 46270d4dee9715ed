/* supervisor_trial.c - processes that live to answer one question: does this revision load, and do
 * its checks pass (a trial)? What does this chunk of Lua give (an evaluator)? Whoever asked is
 * answered once in any case. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "data/form_code.h"
#include "node/supervisor.h"

#define LION_NODE_TRIAL_MS 30000 /* unless the door says another time */
#define LION_NODE_TRIAL_MS_MAX 600000
#define LION_NODE_TRIAL_END_MS 500 /* for one that has answered */

void supervisor_deliver_trial(process *trial, lion_bus_message *message)
{
    supervisor *self = trial->supervisor;
    place *asked_by = supervisor_place(self, trial->asked_by);
    if (trial->is_answered || asked_by == NULL) return;
    trial->is_answered = true;
    message->from = LION_BUS_TRIAL;
    message->to = trial->asked_by;
    message->id = trial->asked_id;
    if (asked_by->current != NULL) (void)supervisor_pass(asked_by->current, message);
    trial->state = PROCESS_STOPPING;
    supervisor_kill_within(trial, LION_NODE_TRIAL_END_MS);
}

/* For one that cannot answer for itself; message says why. */
static void answer(process *trial, const char *code, const char *message)
{
    lion_arena arena;
    lion_buffer bytes;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&bytes);
    lion_entry entries[] = {
        { "is_ok", lion_form_boolean(false) },
        { "step", lion_form_string("load") },
        { "code", lion_form_string(code) },
        { "message", lion_form_string(message) },
        { "ms", lion_form_long((int64_t)(uv_now(&trial->supervisor->loop) - trial->born_ms)) },
    };
    lion_form form = lion_form_entries(&arena, entries, sizeof entries / sizeof *entries);
    if (lion_form_encode(&bytes, &form, NULL) == LION_OK && !bytes.is_failed) {
        lion_bus_message tried = { .kind = LION_BUS_TRIED,
                                   .payload = bytes.data,
                                   .size = bytes.size };
        supervisor_deliver_trial(trial, &tried);
    }
    lion_buffer_deinit(&bytes);
    lion_arena_deinit(&arena);
}

static int count_of(const supervisor *self, bool is_evaluator)
{
    int count = 0;
    for (const process *each = self->processes; each != NULL; each = each->next)
        count += each->place == NULL && each->is_evaluator == is_evaluator && !each->has_ended;
    return count;
}

static process *start_trial(supervisor *self, const lion_form *request, const char **reason_out)
{
    const char *app = supervisor_text(self, request, "app", NULL),
               *revision = supervisor_text(self, request, "revision", NULL);
    process *trial = NULL;
    if (app == NULL || revision == NULL)
        *reason_out = "a trial needs an app and a revision";
    else if (count_of(self, false) >= LION_NODE_TRIALS_MAX)
        *reason_out = "too many trials are under way: try again";
    else if ((trial = supervisor_spawn(self, NULL, app, revision)) == NULL)
        *reason_out = strerror(errno);
    return trial;
}

/* It is given the request as it came. */
static process *start_evaluator(supervisor *self, const lion_bus_message *message,
                                const char **reason_out)
{
    process *evaluator = NULL;
    if (count_of(self, true) >= LION_NODE_EVALUATORS_MAX)
        *reason_out = "too many chunks are being evaluated: try again";
    else if ((evaluator = supervisor_spawn(self, NULL, NULL, NULL)) == NULL)
        *reason_out = strerror(errno);
    if (evaluator != NULL) (void)supervisor_pass(evaluator, message);
    return evaluator;
}

void supervisor_try(process *sender, const lion_bus_message *message, const lion_form *request)
{
    supervisor *self = sender->supervisor;
    int64_t timeout_ms = LION_NODE_TRIAL_MS;
    const lion_form *timeout = lion_form_get(request, "timeout_ms");
    if (timeout != NULL) (void)lion_form_as_long(timeout, &timeout_ms);
    if (timeout_ms < 1 || timeout_ms > LION_NODE_TRIAL_MS_MAX) timeout_ms = LION_NODE_TRIAL_MS_MAX;
    process refused = { .supervisor = self,
                        .born_ms = uv_now(&self->loop) }; /* answers when there is none */
    process *started = NULL;
    const char *reason = "the node is stopping";
    if (!self->is_stopping)
        started = lion_form_get(request, "chunk") != NULL ? start_evaluator(self, message, &reason)
                                                          : start_trial(self, request, &reason);
    process *answering = started == NULL ? &refused : started;
    answering->asked_by = message->from;
    answering->asked_id = message->id;
    answering->timeout_ms = (uint64_t)timeout_ms;
    if (started == NULL)
        answer(&refused, "lion/busy", reason);
    else
        supervisor_kill_within(started, (uint64_t)timeout_ms);
}

static const char *noun_of(const process *trial)
{
    return trial->is_evaluator ? "evaluation" : "trial";
}

void supervisor_trial_ended(process *trial, const char *reason)
{
    char message[LION_NODE_REASON_SIZE + 64];
    snprintf(message, sizeof message, "the %s ended by %s before it had answered", noun_of(trial),
             reason);
    if (!trial->is_answered) answer(trial, "lion/process-lost", message);
}

void supervisor_trial_overdue(process *trial)
{
    char message[64];
    if (trial->is_answered) return;
    snprintf(message, sizeof message, "the %s has not ended in %llu ms", noun_of(trial),
             (unsigned long long)trial->timeout_ms);
    answer(trial, "lion/timeout", message);
}
