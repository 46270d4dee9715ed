/* op_exchange.c - a part of a plan in several threads.
 *
 * Work is cut into morsels, numbered in order: equal parts of what a scan at the bottom reads, so that each thread reads its own leaves;
 * or, where the rows come from anything else, batches that the run's own thread reads. Morsels go into a ring; whoever has nothing to do
 * takes the next one, sends it through its own copy of the part, and leaves what comes out in the morsel. The run's own thread hands that
 * on in the order of the morsels, and works on one itself, with the part as it was planned, while the next to be handed on is not there:
 *
 *   done  <= next      <=  claimed            <=  filled
 *   ……… handed on  | somebody is at work  |  nobody yet | room in the ring
 *
 * A morsel belongs to one thread at a time: to the run's own until it is filled, then to who claims it, then, done, to the run's own
 * again. Only its outputs cross over before: a ring of batches, of which the worker fills one end and the run's own thread reads the
 * other. What else threads share is guarded by the lock. Threads are made when there is a second morsel, and end with the last. */
#include "query/columns.h"
#include "query/parallel.h"
#include "query/partial.h"
#include "query/pattern.h"
#include "query/threads.h"

#define INPUTS_MAX 16       /* batches of a morsel … */
#define MORSEL_ROWS 4096    /* … and the rows that fill it */
#define TINY_ROWS 4         /* in specs, whose plans are made by chance, fewer */
#define PART_ROWS_LEAST 2048 /* of a scan's part … */
#define PART_ROWS_MOST 16384 /* … where there are enough: to begin one costs as much as some hundred rows */
#define PARTS_MAX 4096
#define PARTS_BY_CHANCE 23
#define OUTPUTS_MAX 16      /* batches of what comes out that wait for their turn */
#define MORSELS_EACH 4      /* in the ring, for each thread */

struct morsel {
    lion_arena arena;          /* of the copies, the owner's */
    const lion_key_range *part; /* of the scan; NULL: it has inputs */
    lion_batch_copy inputs[INPUTS_MAX];
    uint32_t input_count;
    lion_batch_copy outputs[OUTPUTS_MAX];
    uint32_t made, given;      /* outputs so far, and those handed on; guarded */
    bool is_done;              /* guarded */
    lion_status status;        /* then: OK, or the failure that is handed on in its turn */
    lion_error error;
    size_t counted;            /* of its arena, in the exchange's memory */
};

/* What the part reads: the batches of the morsel at hand, or what its input yields: a scan's part, or all where there are no morsels. */
typedef struct morsel_feed {
    lion_operator operator;
    struct morsel *morsel;
    uint32_t at;
    bool is_open;              /* its input is read */
} morsel_feed;

/* What an operator of the part counts. */
typedef struct counters {
    uint64_t rows, time_ns, memory;
} counters;

typedef struct exchange exchange;

/* A thread with its copy of the part; or the run's own, with the part itself. */
struct worker {
    exchange *exchange;
    lion_run run;              /* a run of the same query with memory of its own */
    lion_operator *top;
    morsel_feed *feed;
    lion_operator **operators; /* of the part (lion_parallel_list), then the scan */
    pthread_t thread;
    size_t counted;            /* of its run's arena, in the exchange's memory */
};

struct exchange {
    lion_operator operator;
    struct worker own;
    lion_operator **operators; /* of the part itself, as own.operators */
    uint32_t operator_count, prepared;
    bool is_prepared;
    bool is_passing;           /* the part cannot be copied after all: no morsels, the input goes through it */
    lion_key_range *parts;     /* of the source, which is a scan … */
    uint32_t part_count;       /* … 0: it is read by the run's own thread */
    bool is_source_ended;
    lion_batch source;         /* of the input … */
    uint32_t source_at;        /* … and how many of its rows are in morsels */
    uint16_t *selection;       /* LION_BATCH_ROWS */
    struct morsel *morsels;    /* the ring */
    uint32_t room;
    uint64_t next;             /* is handed on */
    struct morsel *working;    /* what the run's own thread has claimed; NULL: nothing */
    uint64_t working_number;
    bool is_given;             /* the last batch handed on is an output of the next morsel */
    struct worker *workers;
    uint32_t worker_count;     /* that have copies … */
    uint32_t thread_count;     /* … and that run */
    pthread_mutex_t lock;      /* guards what follows, and what says so above */
    pthread_cond_t work;       /* filled moved, an output was handed on, or it is over */
    pthread_cond_t progress;   /* an output was made, or a morsel done */
    bool has_lock;
    uint64_t claimed, filled;
    counters *counted;         /* by threads, per operator, not yet added to the part's own */
    bool is_stopped;           /* atomic, too */
    size_t memory;             /* atomic: of morsels and threads, in bytes */
    size_t own_memory;         /* atomic: the run's arena, as its own thread saw it last */
};

static struct morsel *morsel_at(exchange *self, uint64_t number)
{
    return &self->morsels[number % self->room];
}

/* ---- the part's input ---- */

static lion_status feed_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    morsel_feed *self = (morsel_feed *)operator;
    if (self->is_open) return lion_operator_next(operator->inputs[0], batch_out, error);
    if (self->morsel == NULL || self->at == self->morsel->input_count) return LION_END;
    *batch_out = self->morsel->inputs[self->at++].batch;
    return LION_OK;
}

/* source: what it stands for; shown in its place. */
static morsel_feed *feed_new(lion_run *run, const lion_operator *source)
{
    morsel_feed *self = LION_OPERATOR(run, morsel_feed, feed_next, "morsels");
    self->operator.vars = source->vars;
    self->operator.width = source->width;
    self->operator.rows_estimated = source->rows_estimated;
    self->operator.ascending = source->ascending;
    self->operator.is_distinct = source->is_distinct;
    self->operator.keeps_order = true;
    self->operator.is_silent = true;
    return self;
}

/* The operators of the part alone begin again: its input goes on. */
static lion_status begin_part(lion_operator *operator, const lion_operator *below, lion_error *error)
{
    if (operator == below) return LION_OK;
    lion_status status = begin_part(operator->inputs[0], below, error);
    return status == LION_OK && operator->rewind != NULL ? operator->rewind(operator, error) : status;
}

static lion_status begin_morsel(struct worker *worker, struct morsel *morsel, lion_error *error)
{
    morsel_feed *feed = worker->feed;
    lion_status status = LION_OK;
    feed->morsel = morsel;
    feed->at = 0;
    feed->is_open = morsel->part != NULL;
    if (feed->is_open) {
        lion_scan_set_part(feed->operator.inputs[0], morsel->part);
        status = lion_operator_rewind(feed->operator.inputs[0], error);
        feed->operator.inputs[0]->inputs[0]->rows = 0; /* it begins with the same row each time */
    }
    return status == LION_OK ? begin_part(worker->top, &feed->operator, error) : status;
}

/* ---- memory: that of all threads is the run's ---- */

static void count_memory(exchange *self, size_t *counted, size_t used)
{
    __atomic_add_fetch(&self->memory, used - *counted, __ATOMIC_RELAXED);
    *counted = used;
}

static lion_status check_memory(exchange *self, struct worker *worker, struct morsel *morsel, lion_error *error)
{
    size_t theirs = __atomic_load_n(&self->own_memory, __ATOMIC_RELAXED);
    count_memory(self, &morsel->counted, morsel->arena.used);
    if (worker != &self->own) count_memory(self, &worker->counted, worker->run.arena.used);
    else theirs = 0;
    theirs += __atomic_load_n(&self->memory, __ATOMIC_RELAXED) - worker->counted;
    lion_arena others = { .used = theirs };
    return lion_run_check_with(worker == &self->own ? self->operator.run : &worker->run, &others, error);
}

/* ---- working on a morsel ---- */

/* One more output into the morsel, which has room for it. LION_END: there are no more. */
static lion_status make_output(struct worker *worker, struct morsel *morsel, lion_error *error)
{
    exchange *self = worker->exchange;
    lion_batch batch;
    lion_status status = lion_operator_next(worker->top, &batch, error);
    if (status == LION_OK) status = lion_batch_copy_take(&morsel->outputs[morsel->made % OUTPUTS_MAX], &batch, &morsel->arena, error);
    if (status == LION_OK) status = check_memory(self, worker, morsel, error);
    if (status != LION_OK) return status;
    pthread_mutex_lock(&self->lock);
    morsel->made++;
    pthread_cond_signal(&self->progress);
    pthread_mutex_unlock(&self->lock);
    return LION_OK;
}

/* Operators that threads have copies of. */
static uint32_t copied_count(const exchange *self)
{
    return self->operator_count + (self->part_count > 0);
}

/* The copy's numbers so far. Under the lock. */
static void hand_over_counters(struct worker *worker)
{
    exchange *self = worker->exchange;
    for (uint32_t i = 0; worker != &self->own && i < copied_count(self); i++) {
        lion_operator *operator = worker->operators[i];
        self->counted[i].rows += operator->rows;
        self->counted[i].time_ns += operator->time_ns;
        self->counted[i].memory += operator->memory;
        operator->rows = operator->time_ns = operator->memory = 0;
    }
}

static void finish_morsel(struct worker *worker, struct morsel *morsel, lion_status status)
{
    exchange *self = worker->exchange;
    pthread_mutex_lock(&self->lock);
    morsel->status = status == LION_END ? LION_OK : status;
    morsel->is_done = true;
    hand_over_counters(worker);
    pthread_cond_signal(&self->progress);
    pthread_mutex_unlock(&self->lock);
}

/* Wait for room for one more output; false: nobody wants any. */
static bool wait_for_room(exchange *self, const struct morsel *morsel)
{
    pthread_mutex_lock(&self->lock);
    while (morsel->made - morsel->given == OUTPUTS_MAX && !self->is_stopped) pthread_cond_wait(&self->work, &self->lock);
    bool is_wanted = !self->is_stopped;
    pthread_mutex_unlock(&self->lock);
    return is_wanted;
}

static struct morsel *claim_morsel(exchange *self, bool waits, uint64_t *number_out)
{
    struct morsel *found = NULL;
    pthread_mutex_lock(&self->lock);
    while (waits && self->claimed == self->filled && !self->is_stopped) pthread_cond_wait(&self->work, &self->lock);
    if (self->claimed < self->filled && !self->is_stopped) {
        *number_out = self->claimed++;
        found = morsel_at(self, *number_out);
    }
    pthread_mutex_unlock(&self->lock);
    return found;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    exchange *self = worker->exchange;
    uint64_t number = 0;
    for (struct morsel *morsel; (morsel = claim_morsel(self, true, &number)) != NULL;) {
        lion_status status = begin_morsel(worker, morsel, &morsel->error);
        while (status == LION_OK && wait_for_room(self, morsel)) status = make_output(worker, morsel, &morsel->error);
        finish_morsel(worker, morsel, status);
    }
    return NULL;
}

/* ---- threads ---- */

static lion_status make_worker(exchange *self, struct worker *worker, lion_error *error)
{
    lion_run *run = self->operator.run;
    const lion_operator *below = &self->own.feed->operator;
    worker->exchange = self;
    lion_thread_run_init(&worker->run, run, &self->is_stopped);
    self->worker_count++;
    worker->feed = feed_new(&worker->run, below);
    if (self->part_count > 0) worker->feed->operator.inputs[0] = lion_parallel_copy(below->inputs[0], NULL, &worker->run, NULL);
    worker->top = lion_parallel_copy(self->own.top, below, &worker->run, &worker->feed->operator);
    if (worker->run.arena.is_exhausted) worker->top = NULL; /* it is not whole */
    if (worker->top == NULL) return lion_fail_memory(error);
    worker->operators = lion_arena_array(&worker->run.arena, lion_operator *, self->operator_count + 1);
    lion_parallel_list(worker->operators, self->operator_count, worker->top, &worker->feed->operator);
    worker->operators[self->operator_count] = worker->feed->operator.inputs[0]; /* the scan, if it has one */
    return lion_arena_check(&worker->run.arena, error);
}

/* As many as may be; none is no failure, the run's own thread does it all. */
static lion_status start_threads(exchange *self, lion_error *error)
{
    lion_run *run = self->operator.run;
    uint32_t wanted = run->options.threads > LION_THREADS_MAX ? LION_THREADS_MAX - 1 : run->options.threads - 1;
    while (self->thread_count < wanted && run->thread_count < wanted) {
        struct worker *next = &self->workers[self->thread_count];
        lion_status status = next->exchange == NULL ? make_worker(self, next, error) : LION_OK;
        if (status != LION_OK) return status;
        if (!lion_thread_start(&next->thread, run_worker, next)) return LION_OK;
        self->thread_count++;
        run->thread_count++;
    }
    return LION_OK;
}

static void stop_threads(exchange *self)
{
    if (self->thread_count == 0) return;
    pthread_mutex_lock(&self->lock);
    __atomic_store_n(&self->is_stopped, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&self->work);
    pthread_mutex_unlock(&self->lock);
    for (uint32_t i = 0; i < self->thread_count; i++) lion_thread_join(self->workers[i].thread);
    self->operator.run->thread_count -= self->thread_count;
    self->thread_count = 0;
}

/* ---- the run's own thread: filling ---- */

/* Parts of the source, if it is a scan that has enough for several. */
static lion_status split_source(exchange *self, lion_error *error)
{
    lion_operator *source = self->own.feed->operator.inputs[0];
    if (self->is_passing || !lion_scan_can_split(source)) return LION_OK;
    bool is_by_chance = self->operator.run->options.plan_seed != 0;
    uint64_t rows = is_by_chance ? 1 : PART_ROWS_LEAST, each = rows;
    if (!is_by_chance && source->rows_estimated / self->room > PART_ROWS_LEAST) each = (uint64_t)source->rows_estimated / self->room;
    if (each > PART_ROWS_MOST) each = PART_ROWS_MOST;
    lion_status status = lion_scan_split(&self->parts, &self->part_count, source, each, is_by_chance ? PARTS_BY_CHANCE : PARTS_MAX, error);
    if (self->part_count > 0) self->operator.detail = lion_arena_printf(&source->run->arena, "%s, the scan in %u parts", self->operator.detail, self->part_count);
    return status;
}

static lion_status prepare(exchange *self, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    if (self->is_prepared) return LION_OK;
    for (; self->prepared < self->operator_count; self->prepared++) { /* from the bottom up */
        lion_operator *operator = self->operators[self->operator_count - 1 - self->prepared];
        lion_status status = operator->prepare == NULL ? LION_OK : operator->prepare(operator, error);
        if (status != LION_OK) return status;
        if (operator->copy == NULL) self->is_passing = self->own.feed->is_open = true;
    }
    uint32_t threads = self->operator.run->options.threads;
    if (threads > LION_THREADS_MAX) threads = LION_THREADS_MAX;
    self->room = threads * MORSELS_EACH;
    self->morsels = lion_arena_zalloc(arena, sizeof(struct morsel) * self->room);
    self->workers = lion_arena_zalloc(arena, sizeof(struct worker) * threads);
    self->selection = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    self->counted = lion_arena_zalloc(arena, sizeof(counters) * (self->operator_count + 1));
    lion_status status = split_source(self, error);
    if (status == LION_OK) status = lion_arena_check(arena, error);
    if (status != LION_OK) return status;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->progress, NULL);
    self->has_lock = self->is_prepared = true;
    return LION_OK;
}

/* The input's next batch, if the last one is used up. */
static lion_status read_source(exchange *self, lion_error *error)
{
    if (self->source_at < lion_batch_rows(&self->source)) return LION_OK;
    lion_status status = lion_operator_next(self->own.feed->operator.inputs[0], &self->source, error);
    self->source_at = 0;
    if (status != LION_OK) self->source = (lion_batch){ 0 };
    if (status == LION_END) self->is_source_ended = true;
    return status;
}

/* Up to so many rows of it. */
static lion_batch take_source(exchange *self, uint32_t most)
{
    uint32_t rows = lion_batch_rows(&self->source), count = rows - self->source_at < most ? rows - self->source_at : most;
    lion_batch batch = self->source;
    if (count < rows) {
        for (uint32_t i = 0; i < count; i++) self->selection[i] = (uint16_t)lion_batch_row(&self->source, self->source_at + i);
        batch.selection = self->selection;
        batch.selected = count;
    }
    self->source_at += count;
    return batch;
}

/* The next part of the scan. */
static void take_part(exchange *self, struct morsel *morsel)
{
    morsel->part = &self->parts[self->filled];
    self->is_source_ended = self->filled + 1 == self->part_count;
}

/* The next morsel's rows as far as they come. LION_OK: it has some, or the input is at its end. */
static lion_status read_morsel(exchange *self, struct morsel *morsel, lion_error *error)
{
    uint32_t seed = self->operator.run->options.plan_seed, most = seed == 0 ? MORSEL_ROWS : 1 + seed % TINY_ROWS, rows = 0;
    for (uint32_t i = 0; i < morsel->input_count; i++) rows += morsel->inputs[i].batch.count;
    while (morsel->input_count < INPUTS_MAX && rows < most) {
        lion_status status = read_source(self, error);
        if (status != LION_OK) return status == LION_END ? LION_OK : status;
        lion_batch batch = take_source(self, most - rows);
        status = lion_batch_copy_take(&morsel->inputs[morsel->input_count++], &batch, &morsel->arena, error);
        if (status != LION_OK) return status;
        rows += lion_batch_rows(&batch);
    }
    return LION_OK;
}

/* Without threads one at a time will do, but for the second, which tells that there is work for them. */
static bool wants_morsel(const exchange *self)
{
    bool is_alone = self->thread_count == 0 && self->filled != 1;
    return !self->is_source_ended && self->filled - self->next < (is_alone ? 1 : self->room); /* only this thread changes filled */
}

static lion_status fill_ring(exchange *self, lion_error *error)
{
    while (wants_morsel(self)) {
        struct morsel *morsel = morsel_at(self, self->filled);
        lion_status status = LION_OK;
        if (self->part_count > 0) take_part(self, morsel);
        else status = read_morsel(self, morsel, error);
        if (status == LION_OK) status = check_memory(self, &self->own, morsel, error);
        if (status != LION_OK) return status;
        if (morsel->part == NULL && morsel->input_count == 0) break;
        pthread_mutex_lock(&self->lock);
        self->filled++;
        pthread_cond_broadcast(&self->work); /* some may wait for room */
        pthread_mutex_unlock(&self->lock);
        if (self->filled == 2 && self->thread_count == 0) status = start_threads(self, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* ---- the run's own thread: handing on ---- */

/* What threads counted goes to the part's own operators, whose bounds hold for all of them. */
static lion_status take_counters(exchange *self, lion_error *error)
{
    int64_t rows_max = self->operator.run->options.rows_max;
    for (uint32_t i = 0; i < copied_count(self); i++) {
        lion_operator *operator = self->operators[i];
        operator->rows += self->counted[i].rows;
        operator->time_ns += self->counted[i].time_ns;
        operator->memory += self->counted[i].memory;
        self->counted[i] = (counters){ 0 };
        if (rows_max > 0 && operator->rows > (uint64_t)rows_max)
            return lion_fail(error, LION_INTERRUPTED, "lion/limit", "an intermediate result of the query grew past %lld rows (%s %s)",
                             (long long)rows_max, operator->name, operator->detail == NULL ? "" : operator->detail);
    }
    return LION_OK;
}

/* The next morsel is handed on whole: its place is free. */
static lion_status retire_morsel(exchange *self, struct morsel *morsel, lion_error *error)
{
    lion_status status = morsel->status;
    if (status != LION_OK) {
        if (error != NULL) *error = morsel->error;
        return status;
    }
    morsel->made = morsel->given = morsel->input_count = 0;
    morsel->is_done = false;
    self->next++;
    pthread_mutex_lock(&self->lock);
    status = take_counters(self, error);
    pthread_mutex_unlock(&self->lock);
    return status;
}

/* The batch that was handed on last is no longer looked at. */
static void take_back(exchange *self)
{
    if (!self->is_given) return;
    self->is_given = false;
    pthread_mutex_lock(&self->lock);
    morsel_at(self, self->next)->given++;
    pthread_cond_broadcast(&self->work);
    pthread_mutex_unlock(&self->lock);
}

/* One batch more of the morsel at hand: at once where it is its turn, into the morsel else. LION_ABSENT: it went there, or the morsel
 * is done. */
static lion_status work(exchange *self, lion_batch *batch_out, lion_error *error)
{
    struct morsel *morsel = self->working;
    bool is_next = self->working_number == self->next && morsel->made == morsel->given;
    lion_status status = is_next ? lion_operator_next(self->own.top, batch_out, error) : make_output(&self->own, morsel, &morsel->error);
    if (status == LION_OK) return is_next ? LION_OK : LION_ABSENT;
    if (is_next && status != LION_END) return status;
    self->working = NULL;
    finish_morsel(&self->own, morsel, status);
    return LION_ABSENT;
}

typedef enum turn { TURN_OUTPUT, TURN_DONE, TURN_WAIT } turn;

static turn look_at(exchange *self, const struct morsel *morsel)
{
    pthread_mutex_lock(&self->lock);
    turn found = morsel->made > morsel->given ? TURN_OUTPUT : morsel->is_done ? TURN_DONE : TURN_WAIT;
    pthread_mutex_unlock(&self->lock);
    return found;
}

static void wait_for(exchange *self, const struct morsel *morsel)
{
    pthread_mutex_lock(&self->lock);
    while (morsel->made == morsel->given && !morsel->is_done) pthread_cond_wait(&self->progress, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

/* While the next morsel is another's: work on one of one's own, if there is one with room, or wait. */
static lion_status go_on(exchange *self, const struct morsel *next, lion_batch *batch_out, lion_error *error)
{
    if (self->working == NULL) {
        self->working = claim_morsel(self, false, &self->working_number);
        if (self->working != NULL) {
            lion_status status = begin_morsel(&self->own, self->working, error);
            return status == LION_OK ? LION_ABSENT : status;
        }
    }
    bool can_work = self->working != NULL && (self->working == next || self->working->made - self->working->given < OUTPUTS_MAX);
    if (can_work) return work(self, batch_out, error);
    wait_for(self, next);
    return LION_ABSENT;
}

static lion_status exchange_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    exchange *self = (exchange *)operator;
    lion_status status = prepare(self, error);
    if (status != LION_OK) return status;
    __atomic_store_n(&self->own_memory, operator->run->arena.used, __ATOMIC_RELAXED);
    if (self->is_passing) return lion_operator_next(self->own.top, batch_out, error);
    take_back(self);
    for (;;) {
        status = lion_run_check(operator->run, error);
        if (status == LION_OK) status = fill_ring(self, error);
        if (status != LION_OK) return status;
        struct morsel *next = morsel_at(self, self->next);
        if (self->next == self->filled) break;
        turn found = look_at(self, next);
        if (found == TURN_OUTPUT) {
            *batch_out = next->outputs[next->given % OUTPUTS_MAX].batch;
            self->is_given = true;
            return LION_OK;
        }
        status = found == TURN_DONE ? retire_morsel(self, next, error) : go_on(self, next, batch_out, error);
        if (found == TURN_WAIT && status != LION_ABSENT) return status;
        if (status < 0) return status;
    }
    stop_threads(self);
    return LION_END;
}

static void forget_partials(exchange *self, bool is_off)
{
    lion_operator *top;
    for (uint32_t i = 0; (top = lion_exchange_top(&self->operator, i)) != NULL && lion_partial_of(top) != NULL; i++) lion_partial_reset(top, is_off);
}

static lion_status exchange_rewind(lion_operator *operator, lion_error *error)
{
    exchange *self = (exchange *)operator;
    (void)error;
    stop_threads(self);
    for (uint32_t i = 0; i < self->room; i++) {
        struct morsel *morsel = &self->morsels[i];
        morsel->made = morsel->given = morsel->input_count = 0;
        morsel->is_done = false;
    }
    self->next = self->claimed = self->filled = 0;
    self->working = NULL;
    self->source = (lion_batch){ 0 };
    self->source_at = 0;
    self->is_given = self->is_source_ended = self->is_stopped = false;
    forget_partials(self, false);
    return LION_OK;
}

static void exchange_stop(lion_operator *operator)
{
    stop_threads((exchange *)operator);
}

static void exchange_close(lion_operator *operator)
{
    exchange *self = (exchange *)operator;
    for (uint32_t i = 0; i < self->worker_count; i++) {
        lion_operator_close(self->workers[i].top);
        lion_thread_run_deinit(&self->workers[i].run);
    }
    for (uint32_t i = 0; i < self->room && self->morsels != NULL; i++) lion_arena_deinit(&self->morsels[i].arena);
    if (!self->has_lock) return;
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->work);
    pthread_cond_destroy(&self->progress);
}

lion_operator *lion_exchange_top(lion_operator *operator, uint32_t number)
{
    exchange *self = (exchange *)operator;
    if (operator->next != exchange_next) return NULL;
    return number == 0 ? self->own.top : number <= self->worker_count ? self->workers[number - 1].top : NULL;
}

void lion_exchange_add_no_more(lion_operator *operator)
{
    forget_partials((exchange *)operator, true);
}

lion_operator *lion_exchange_new(lion_run *run, lion_operator *top, lion_operator *bottom)
{
    exchange *self = LION_OPERATOR(run, exchange, exchange_next, "parallel");
    lion_operator *source = bottom->inputs[0];
    self->operator.rewind = exchange_rewind;
    self->operator.stop = exchange_stop;
    self->operator.close = exchange_close;
    self->operator.detail = lion_arena_printf(&run->arena, "%u threads", run->options.threads);
    self->operator.inputs[0] = top;
    self->operator.vars = top->vars;
    self->operator.width = top->width;
    self->operator.rows_estimated = top->rows_estimated;
    self->operator.is_distinct = top->is_distinct;
    self->operator.ascending = top->ascending;
    self->operator.keeps_order = true;
    self->own = (struct worker){ .exchange = self, .top = top, .feed = feed_new(run, source) };
    self->own.feed->operator.inputs[0] = source;
    bottom->inputs[0] = &self->own.feed->operator;
    self->operator_count = lion_parallel_list(NULL, 0, top, &self->own.feed->operator);
    self->operators = lion_arena_array(&run->arena, lion_operator *, self->operator_count + 1);
    lion_parallel_list(self->operators, self->operator_count, top, &self->own.feed->operator);
    self->operators[self->operator_count] = source;
    self->own.operators = self->operators;
    return &self->operator;
}
