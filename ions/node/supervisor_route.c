/* supervisor_route.c - messages from process to process, and those for the supervisor itself. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/form_code.h"
#include "node/supervisor.h"

#define LION_NODE_WAITING_MAX 10000
#define LION_NODE_WAITING_MS 10000

static const char *const state_names[] = { "starting", "ready", "stopping" };

uint16_t supervisor_address(const process *of)
{
    return of->place == NULL ? LION_BUS_TRIAL : of->place->address;
}

place *supervisor_place(supervisor *self, int64_t address)
{
    for (int i = 0; i < self->place_count; i++) {
        if (self->places[i].address == address) return &self->places[i];
    }
    return NULL;
}

bool supervisor_pass(process *to, const lion_bus_message *message)
{
    bool is_sent = to->bus != NULL && lion_bus_send(to->bus, message);
    if (!is_sent) to->is_lost = true;
    return is_sent;
}

void supervisor_send(process *to, lion_bus_kind kind, uint64_t id, lion_form form)
{
    lion_buffer bytes;
    lion_buffer_init(&bytes);
    if (lion_form_encode(&bytes, &form, NULL) == LION_OK && !bytes.is_failed) {
        lion_bus_message message = { .to = supervisor_address(to),
                                     .from = LION_BUS_SUPERVISOR,
                                     .kind = (uint16_t)kind,
                                     .id = id,
                                     .payload = bytes.data,
                                     .size = bytes.size };
        (void)supervisor_pass(to, &message);
    }
    lion_buffer_deinit(&bytes);
}

/* ---- to any worker ---- */

/* The ready worker with the fewest handovers so far; never the sender. */
static process *pick_worker(const supervisor *self, pid_t sender)
{
    process *best = NULL;
    for (int i = 0; i < self->place_count; i++) {
        process *each = self->places[i].current;
        if (self->places[i].address <= LION_BUS_WORKER || each == NULL || each->pid == sender)
            continue;
        if (each->state != PROCESS_READY || each->is_lost) continue;
        if (best == NULL || each->handovers < best->handovers) best = each;
    }
    return best;
}

static bool give_worker(const supervisor *self, pid_t sender, lion_bus_message *message)
{
    for (process *worker; (worker = pick_worker(self, sender)) != NULL;) {
        message->to = supervisor_address(worker);
        if (!supervisor_pass(worker, message)) continue; /* it is lost now */
        worker->handovers++;
        return true;
    }
    return false;
}

static void waiting_free(waiting *self)
{
    for (int i = 0; i < self->message.fd_count; i++) {
        if (self->message.fds[i] >= 0) (void)close(self->message.fds[i]);
    }
    free((void *)(uintptr_t)self->message.payload);
    free(self);
}

/* Takes the message's descriptors. What finds no room is closed by who received it. */
static void wait_for_worker(supervisor *self, pid_t sender, lion_bus_message *message)
{
    if (self->is_stopping || self->waiting_count >= LION_NODE_WAITING_MAX) return;
    waiting *entry = malloc(sizeof *entry);
    uint8_t *payload = malloc(message->size + 1);
    if (entry == NULL || payload == NULL) {
        free(entry);
        free(payload);
        return;
    }
    if (message->size > 0) memcpy(payload, message->payload, message->size);
    entry->next = NULL;
    entry->until = uv_now(&self->loop) + LION_NODE_WAITING_MS;
    entry->sender = sender;
    entry->message = *message;
    entry->message.payload = payload;
    for (int i = 0; i < message->fd_count; i++) message->fds[i] = -1;
    if (self->last_waiting != NULL)
        self->last_waiting->next = entry;
    else
        self->first_waiting = entry;
    self->last_waiting = entry;
    self->waiting_count++;
    supervisor_schedule(self);
}

/* Take out those whose time is over, and, is_serving, those that a worker takes now. */
static void sift_waiting(supervisor *self, uint64_t until, bool is_serving)
{
    waiting *entry = self->first_waiting;
    self->first_waiting = self->last_waiting = NULL;
    while (entry != NULL) {
        waiting *next = entry->next;
        entry->next = NULL;
        if (entry->until <= until ||
            (is_serving && give_worker(self, entry->sender, &entry->message))) {
            waiting_free(entry);
            self->waiting_count--;
        } else {
            if (self->last_waiting != NULL)
                self->last_waiting->next = entry;
            else
                self->first_waiting = entry;
            self->last_waiting = entry;
        }
        entry = next;
    }
}

void supervisor_serve_waiting(supervisor *self)
{
    sift_waiting(self, 0, true);
}
void supervisor_drop_waiting(supervisor *self, uint64_t until)
{
    sift_waiting(self, until, false);
}

static void pass_on(process *sender, lion_bus_message *message)
{
    supervisor *self = sender->supervisor;
    if (message->to == LION_BUS_ANY_WORKER) {
        if (!give_worker(self, sender->pid, message)) wait_for_worker(self, sender->pid, message);
        return;
    }
    /* To a place that nobody holds now: its next holder begins anew, and who asked is told
     * `changed`. */
    place *to = supervisor_place(self, message->to);
    if (to != NULL && to->current != NULL) (void)supervisor_pass(to->current, message);
}

/* ---- what the door and events are told ---- */

static lion_form describe(lion_arena *arena, const place *of)
{
    const process *held = of->current;
    process_state state = held == NULL ? PROCESS_STARTING : held->state;
    lion_entry entries[] = {
        { "role", lion_form_string(of->role) },
        { "index", lion_form_long(of->index) },
        { "pid", lion_form_long(held == NULL ? 0 : held->pid) },
        { "state", lion_form_string(state_names[state]) },
        { "started", lion_form_long(held == NULL ? 0 : held->started_ms) },
        { "restarts", lion_form_long(of->restarts) },
        { "reason", lion_form_string(of->reason) },
    };
    return lion_form_entries(arena, entries, sizeof entries / sizeof *entries);
}

void supervisor_tell_changed(supervisor *self, const place *of)
{
    static const uint16_t told[] = { LION_BUS_DOOR, LION_BUS_EVENTS };
    if (self->is_stopping) return;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (int i = 0; i < 2; i++) {
        process *to = supervisor_place(self, told[i])->current;
        if (to != NULL) supervisor_send(to, LION_BUS_CHANGED, 0, describe(&arena, of));
    }
    lion_arena_deinit(&arena);
}

/* One a place: who was replaced, and trials, are nobody's to talk to. */
static void answer_processes(process *sender, uint64_t id)
{
    supervisor *self = sender->supervisor;
    lion_forms found = { .arena = &self->arena };
    for (int i = 0; i < self->place_count; i++)
        lion_forms_add(&found, describe(&self->arena, &self->places[i]));
    lion_entry entry = { "processes", lion_form_list(&self->arena, found.items, found.count) };
    supervisor_send(sender, LION_BUS_PROCESSES, id, lion_form_entries(&self->arena, &entry, 1));
}

/* ---- to the supervisor ---- */

const char *supervisor_text(supervisor *self, const lion_form *map, const char *key,
                            const char *otherwise)
{
    lion_slice text;
    const lion_form *form = lion_form_get(map, key);
    if (form == NULL || !lion_form_as_slice(form, &text) || text.size >= LION_ARENA_SCRATCH)
        return otherwise;
    char *copy = lion_arena_alloc(&self->arena, text.size + 1);
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

static void on_replace(process *sender, const lion_form *map)
{
    supervisor *self = sender->supervisor;
    int64_t who = supervisor_address(sender);
    const lion_form *named = lion_form_get(map, "who");
    bool is_named = named != NULL && lion_form_as_long(named, &who);
    place *of = supervisor_place(self, who);
    if (of == NULL || of->current == NULL) return;
    if (!is_named && of->current != sender) return; /* it has been replaced already */
    supervisor_replace(of, sender, supervisor_text(self, map, "reason", "it asked for it"));
}

static void on_own(process *sender, const lion_bus_message *message)
{
    supervisor *self = sender->supervisor;
    lion_form map = lion_form_entries(&self->arena, NULL, 0);
    if (message->size > 0) {
        lion_slice bytes = { message->payload, message->size };
        if (lion_form_decode(&map, bytes, &self->arena, NULL) != LION_OK) return;
    }
    switch (message->kind) {
    case LION_BUS_READY: supervisor_ready(sender); break;
    case LION_BUS_REPLACE: on_replace(sender, &map); break;
    case LION_BUS_TRY: supervisor_try(sender, message, &map); break;
    case LION_BUS_PROCESSES: answer_processes(sender, message->id); break;
    case LION_BUS_STOP:
        if (supervisor_address(sender) != LION_BUS_DOOR) break;
        fprintf(stderr, "lion: the node ends: %s\n",
                supervisor_text(self, &map, "reason", "its door says so"));
        supervisor_stop(self, 1);
        break;
    default: break;
    }
}

void supervisor_message(process *sender, lion_bus_message *message)
{
    message->from = supervisor_address(sender);
    if (message->from == LION_BUS_TRIAL && message->kind == LION_BUS_TRIED) {
        supervisor_deliver_trial(sender, message);
    } else if (message->to == LION_BUS_SUPERVISOR) {
        on_own(sender, message);
        lion_arena_reset(&sender->supervisor->arena);
    } else {
        pass_on(sender, message);
    }
}
