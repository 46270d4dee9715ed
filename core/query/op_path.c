/* op_path.c - the call of a rule that is a search (path.h): for each input row what is reached from the bound argument,
 * or whether one leads to the other, or, with neither bound, every pair. What one row makes are different rows.
 *
 * Where nobody asks from where an entity is reached, all sources start one search: those of the input's rows together, if
 * nothing else of these rows is wanted, or, with neither argument bound, all that there are. */
#include "query/columns.h"
#include "query/path.h"

typedef enum path_kind { PATH_FROM, PATH_FROM_ROWS, PATH_BETWEEN, PATH_ALL, PATH_FROM_ALL } path_kind;

typedef struct path {
    lion_operator operator;
    lion_paths *paths;
    uint8_t kind;
    uint32_t in[2];            /* FROM: the bound argument; BETWEEN: both. The input's slot, or NONE: the constant */
    lion_value constant[2];
    bool is_strict[2];         /* of facts: an entity as it is, no name of one */
    uint32_t out[2];           /* FROM: what is found; ALL: both. The output's slot, or NONE: nobody wants it */
    bool is_cycle;             /* ALL: both arguments are one variable */
    const char *text;
    lion_reading reading;
    lion_columns columns;
    bool is_row_open;
    lion_path_list list;
    uint32_t at;               /* of list */
    bool has_list;
    uint32_t number, number_count; /* ALL: the source whose list it is, and how many there are */
    int64_t source;
    bool is_repeated;          /* ALL: the same lists are asked for again */
    lion_ids sources;          /* FROM_ROWS: of the one search … */
    bool has_found;            /* … which was made: the list is its answer */
    lion_vector *passed;       /* columns of a batch that is a part of the list, … */
    lion_value *constants;     /* … and the row's values in it */
} path;

/* ---- one row ---- */

static lion_status argument(int64_t *id_out, path *self, uint32_t which, uint32_t row, lion_error *error)
{
    lion_value value = self->constant[which], ref;
    if (self->in[which] != LION_SLOT_NONE) value = lion_batch_get(&self->reading.batch, self->in[which], row);
    if (self->is_strict[which] && !lion_query_is_id(value.type)) return LION_ABSENT;
    lion_status status = lion_query_ref(&ref, self->paths->graph->db, value, &self->operator.run->arena, error);
    if (status == LION_OK) *id_out = ref.bits;
    return status;
}

/* What the sources reach, once. */
static lion_status find_all(path *self, lion_error *error)
{
    if (self->has_found) return LION_OK;
    lion_status status = lion_paths_from_any(&self->list, self->paths, self->sources.items, self->sources.count, error);
    self->has_found = status == LION_OK;
    return status;
}

static lion_status start_row(path *self, uint32_t row, lion_error *error)
{
    int64_t source = 0, target = 0;
    lion_status status = LION_OK;
    self->has_list = false;
    self->at = 0;
    if (self->kind == PATH_FROM_ALL) {
        status = lion_paths_from_everywhere(&self->list, self->paths, error);
        self->has_list = status == LION_OK;
    } else if (self->kind == PATH_ALL) {
        self->number = 0;
        status = lion_paths_all(&self->number_count, self->paths, error);
    } else {
        status = argument(&source, self, 0, row, error);
        if (status == LION_OK && self->kind == PATH_BETWEEN) status = argument(&target, self, 1, row, error);
        if (status == LION_OK && self->kind == PATH_BETWEEN) status = lion_paths_lead(self->paths, &self->list, source, target, error);
        else if (status == LION_OK) status = lion_paths_from(&self->list, self->paths, source, error);
        self->has_list = status == LION_OK;
    }
    self->is_row_open = status == LION_OK;
    return status;
}

/* So many rows made of the input's, with the next of the list, if those are wanted. false: what is there has to go out first. */
static bool emit(path *self, uint32_t row, uint32_t count)
{
    lion_columns *columns = &self->columns;
    uint16_t rows[LION_BATCH_ROWS];
    if (!lion_columns_fit(columns, &self->reading.batch)) return false;
    if (self->out[0] != LION_SLOT_NONE) {
        int64_t *sources = lion_columns_room(columns, self->out[0], LION_TYPE_REF);
        for (uint32_t k = 0; sources != NULL && k < count; k++) sources[k] = self->source;
    }
    if (self->out[1] != LION_SLOT_NONE) {
        int64_t *found = lion_columns_room(columns, self->out[1], LION_TYPE_REF);
        if (found != NULL) memcpy(found, self->list.ids + self->at, count * sizeof(*found));
        self->at += count;
    }
    for (uint32_t k = 0; columns->kept > 0 && k < count; k++) rows[k] = (uint16_t)row;
    lion_columns_take(columns, &self->reading.batch, rows, count);
    return true;
}

/* As many of the list as there is room for. */
static bool emit_list(path *self, uint32_t row)
{
    uint32_t room = lion_columns_free(&self->columns), left = self->list.count - self->at;
    return left == 0 || emit(self, row, room < left ? room : left);
}

/* Much of the list, as it is, beside the row's columns. */
static bool pass_list(path *self, uint32_t row, lion_batch *batch_out)
{
    const lion_columns *columns = &self->columns;
    uint32_t left = self->list.count - self->at, count = left < LION_BATCH_ROWS ? left : LION_BATCH_ROWS;
    if (columns->count > 0 || self->out[1] == LION_SLOT_NONE || self->out[0] != LION_SLOT_NONE || count < LION_BATCH_ROWS / 2) return false;
    for (uint32_t i = 0; i < columns->kept; i++) {
        self->constants[i] = lion_batch_get(&self->reading.batch, columns->from[i], row);
        self->passed[i] = (lion_vector){ .type = LION_TYPE_MIXED, .is_constant = true, .values = &self->constants[i] };
    }
    self->passed[self->out[1]] = (lion_vector){ .type = LION_TYPE_REF, .bits = (int64_t *)(uintptr_t)self->list.ids + self->at };
    self->at += count;
    *batch_out = (lion_batch){ .count = count, .width = columns->width, .columns = self->passed };
    return true;
}

/* The list is done when has_list is false. The result as of emit. */
static bool run_list(path *self, uint32_t row)
{
    if (self->out[1] != LION_SLOT_NONE) {
        if (!emit_list(self, row)) return false;
        self->has_list = self->at < self->list.count;
        return true;
    }
    if ((self->kind == PATH_BETWEEN || self->list.count > 0) && !emit(self, row, 1)) return false;
    self->has_list = false;
    return true;
}

/* A source that reaches itself; LION_ABSENT: it does not. */
static lion_status find_cycle(path *self, lion_error *error)
{
    lion_status status = lion_paths_lead(self->paths, &self->list, self->source, self->source, error);
    if (status != LION_OK) return status;
    self->list.count = 1; /* that there is one is all */
    self->has_list = true;
    if (self->out[0] == LION_SLOT_NONE) self->number = self->number_count;
    return LION_OK;
}

/* The next source's list. LION_ABSENT: there are no more. */
static lion_status next_source(path *self, lion_error *error)
{
    while (self->number < self->number_count) {
        self->source = lion_paths_source(self->paths, self->number++);
        self->at = 0;
        if (!self->is_cycle) {
            lion_status status = self->is_repeated ? lion_paths_from(&self->list, self->paths, self->source, error)
                                                   : lion_paths_from_once(&self->list, self->paths, self->source, error);
            self->has_list = status == LION_OK && self->list.count > 0;
            if (status != LION_OK || self->has_list) return status;
            continue;
        }
        lion_status status = find_cycle(self, error);
        if (status != LION_ABSENT) return status;
    }
    return LION_ABSENT;
}

/* LION_END: what is there has to go out before the rest. */
static lion_status run_row(path *self, uint32_t row, lion_error *error)
{
    while (self->is_row_open) {
        if (self->has_list && (lion_columns_free(&self->columns) == 0 || !run_list(self, row) || self->has_list)) return LION_END;
        lion_status status = self->kind == PATH_ALL ? next_source(self, error) : LION_ABSENT;
        if (status == LION_ABSENT) self->is_row_open = false;
        else if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* ---- stepping ---- */

static void describe(path *self)
{
    static const char *const WAYS[] = { "from one end", "from one end, at once", "between both ends", "from everywhere", "from anywhere" };
    const lion_paths *paths = self->paths;
    const lion_graph *graph = paths->graph;
    lion_arena *arena = &self->operator.run->arena;
    const char *where = "in the trees";
    if (lion_paths_lack_room(paths)) {
        where = "in the trees for want of memory";
        self->operator.advice = lion_arena_printf(arena, "arrays of %llu references have no room, so that searches take longer: raise memory_mb",
                                                  (unsigned long long)lion_graph_edge_count(graph));
    }
    if (paths->has_arrays) where = lion_arena_printf(arena, "in arrays of %llu references", (unsigned long long)lion_graph_edge_count(graph));
    if (paths->sets != NULL) where = lion_arena_printf(arena, "%s, sets of %u components", where, (unsigned)lion_path_sets_count(paths->sets));
    if (paths->reused > 0) where = lion_arena_printf(arena, "reused %llu times, %s", (unsigned long long)paths->reused, where);
    self->operator.detail = lion_arena_printf(arena, "%s %s%s, %llu searches, %s", self->text, WAYS[self->kind],
                                              self->kind != PATH_BETWEEN && paths->start == LION_PATH_END ? ", backward" : "",
                                              (unsigned long long)paths->searches, where);
}

/* FROM_ROWS: the sources of all rows. */
static lion_status gather(path *self, lion_error *error)
{
    for (;;) {
        uint32_t row = 0;
        int64_t source = 0;
        lion_status status = lion_reading_row(&self->reading, self->operator.inputs[0], &row, error);
        if (status == LION_END) return LION_OK;
        if (status == LION_OK) status = argument(&source, self, 0, row, error);
        if (status == LION_OK) lion_ids_add(&self->sources, source);
        if (status != LION_OK && status != LION_ABSENT) return status;
        lion_reading_advance(&self->reading);
    }
}

static lion_status rows_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    path *self = (path *)operator;
    lion_status status = self->has_found ? LION_OK : gather(self, error);
    if (status == LION_OK) status = find_all(self, error);
    if (status != LION_OK) return status;
    if (self->at == 0) describe(self);
    if (self->at == self->list.count) return LION_END;
    if (pass_list(self, 0, batch_out)) return LION_OK;
    emit_list(self, 0);
    return lion_columns_yield(&self->columns, batch_out);
}

static lion_status path_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    path *self = (path *)operator;
    while (lion_columns_free(&self->columns) > 0) {
        uint32_t row = 0;
        lion_status status = lion_reading_row(&self->reading, operator->inputs[0], &row, error);
        if (status == LION_END) break;
        if (status == LION_OK && !self->is_row_open) status = start_row(self, row, error);
        if (status == LION_OK && self->has_list && pass_list(self, row, batch_out)) {
            self->has_list = self->at < self->list.count;
            return LION_OK;
        }
        if (status == LION_OK) status = run_row(self, row, error);
        if (status == LION_END) break;
        if (status != LION_OK && status != LION_ABSENT) return status;
        lion_reading_advance(&self->reading);
        self->is_repeated = true;
    }
    if (self->reading.is_ended) describe(self);
    return lion_columns_yield(&self->columns, batch_out);
}

static lion_status path_rewind(lion_operator *operator, lion_error *error)
{
    path *self = (path *)operator;
    (void)error;
    self->reading = (lion_reading){ 0 };
    self->columns.count = self->at = 0;
    self->is_row_open = self->has_list = self->has_found = false;
    self->is_repeated = true;
    lion_ids_clear(&self->sources);
    return LION_OK;
}

/* ---- making ---- */

static lion_status bind_argument(path *self, uint32_t which, const lion_term *term, const lion_scope *scope, const lion_operator *input,
                                 lion_error *error)
{
    self->is_strict[which] = term->kind == LION_TERM_VAR && !scope->is_given[term->index];
    self->in[which] = LION_SLOT_NONE;
    if (term->kind == LION_TERM_CONST) return lion_query_value(&self->constant[which], term->constant, &self->operator.run->arena, error);
    self->in[which] = lion_operator_slot(input, term->index);
    return LION_OK;
}

static bool is_bound(const lion_term *term, const lion_operator *input)
{
    return term->kind == LION_TERM_CONST || (term->kind == LION_TERM_VAR && lion_operator_slot(input, term->index) != LION_SLOT_NONE);
}

static void want(path *self, uint32_t which, const lion_term *term, const uint8_t *keep, uint32_t *added, uint32_t *added_count)
{
    if (term->kind != LION_TERM_VAR || !keep[term->index]) return;
    self->out[which] = *added_count;
    added[(*added_count)++] = term->index;
}

/* With neither argument bound, and one of them, or none, wanted. */
static void choose_search(path *self, lion_paths *const searches[2])
{
    if (self->kind != PATH_ALL || self->is_cycle || (self->out[0] != LION_SLOT_NONE && self->out[1] != LION_SLOT_NONE)) return;
    self->kind = PATH_FROM_ALL;
    if (self->out[0] == LION_SLOT_NONE) return;
    self->paths = searches[1];
    self->out[1] = self->out[0];
    self->out[0] = LION_SLOT_NONE;
}

lion_status lion_path_new(lion_operator **operator_out, lion_scope *scope, lion_operator *input, const lion_clause *clause,
                          lion_paths *const searches[2], const uint8_t *keep, lion_error *error)
{
    lion_run *run = scope->run;
    const lion_term *first = &clause->terms[0], *second = &clause->terms[1];
    bool has_first = is_bound(first, input), has_second = is_bound(second, input);
    path *self = LION_OPERATOR(run, path, path_next, "path-search");
    uint32_t added[2], added_count = 0;
    lion_status status = LION_OK;
    self->operator.rewind = path_rewind;
    self->operator.inputs[0] = input;
    self->out[0] = self->out[1] = LION_SLOT_NONE;
    self->kind = has_first && has_second ? PATH_BETWEEN : has_first || has_second ? PATH_FROM : PATH_ALL;
    self->paths = searches[has_second && !has_first];
    if (self->kind == PATH_FROM) {
        status = bind_argument(self, 0, has_first ? first : second, scope, input, error);
        want(self, 1, has_first ? second : first, keep, added, &added_count);
    } else if (self->kind == PATH_BETWEEN) {
        status = bind_argument(self, 0, first, scope, input, error);
        if (status == LION_OK) status = bind_argument(self, 1, second, scope, input, error);
    } else {
        self->is_cycle = first->kind == LION_TERM_VAR && second->kind == LION_TERM_VAR && first->index == second->index;
        want(self, 0, first, keep, added, &added_count);
        if (!self->is_cycle) want(self, 1, second, keep, added, &added_count);
    }
    if (status != LION_OK) return status;
    if (run->arena.is_exhausted) return lion_fail_memory(error);
    choose_search(self, searches);
    lion_columns_init(&self->columns, &self->operator, input, keep, added, added_count);
    if (self->kind == PATH_FROM && self->columns.kept == 0 && self->out[1] != LION_SLOT_NONE) {
        self->kind = PATH_FROM_ROWS;
        self->operator.next = rows_next;
    }
    lion_ids_init(&self->sources, &run->arena);
    self->passed = lion_arena_zalloc(&run->arena, sizeof(lion_vector) * (self->columns.width + 1));
    self->constants = lion_arena_zalloc(&run->arena, sizeof(lion_value) * (self->columns.kept + 1));
    for (int i = 0; i < 2; i++)
        if (self->out[i] != LION_SLOT_NONE) self->out[i] += self->columns.kept;
    self->operator.is_set = !self->is_cycle || self->out[0] != LION_SLOT_NONE; /* a row for each cycle, which nothing tells apart */
    self->text = lion_arena_text(&run->arena, lion_slice_of(clause->text.data, clause->text.size < 300 ? clause->text.size : 300));
    describe(self);
    *operator_out = &self->operator;
    return LION_OK;
}
