/* op_pattern.c - a data pattern on a database: for each input row, the datoms that match what is bound.
 *
 * A row's bound parts become a key of the index that they lead; what the key does not say is compared. Values are
 * coerced to the attribute they meet at the probe, so a variable keeps the value it was given. A pattern that is probed
 * often compared with its size is read once into a hash table instead (in_hash). */
#include "index/facts.h"
#include "index/view_parts.h"
#include "query/pattern.h"

enum { E, A, V, TX, OP };

/* Read into a hash table once the probes so far are a quarter of the datoms. */
#define HASH_PROBES_MIN 64
/* Keep an attribute's facts open from then on. */
#define FACTS_PROBES_MIN 16
#define HASH_COUNT_MAX (UINT64_C(16) << 20)

typedef struct pattern {
    lion_operator operator;
    lion_pattern_spec spec;
    const lion_schema *schema;
    lion_reading reading;
    lion_output output;
    uint32_t in[5];            /* BOUND: the input's slot */
    uint32_t out[5];           /* OUT: the output's slot, or NONE */
    uint32_t columns;          /* what the cursor must fill */
    lion_cursor *cursor;       /* NULL before the first probe */
    lion_index cursor_index;
    lion_datom_batch datoms;
    uint32_t at;               /* of datoms */
    bool has_datoms, is_row_open;
    /* The current row, coerced: which positions are known and not yet said by the key. */
    lion_value known[5];
    bool is_known[5], is_checked[5];
    uint64_t probes;
    lion_facts *facts;         /* NULL: points are asked one by one */
    bool has_no_facts;
    /* The hash table. */
    bool is_hashing, in_hash;
    lion_relation *table;      /* of a datom that matches, what is bound or found */
    uint32_t table_positions[5]; /* by column */
    lion_row_index hash;
    uint32_t hash_positions[5];
    size_t found;
    lion_value hash_key[5];
    bool never;                /* a constant matches nothing */
} pattern;

/* ---- coercion ---- */

static lion_status to_entity(pattern *self, lion_value value, lion_value *out, lion_error *error)
{
    return lion_query_ref(out, self->spec.db, value, &self->operator.run->arena, error);
}

/* A value where an attribute stands: id, keyword, bare name. Unknown names are an error, ids that are none match nothing. */
static lion_status to_attribute(pattern *self, lion_value value, lion_value *out, lion_error *error)
{
    const lion_attribute *attribute = NULL;
    if (value.type == LION_TYPE_KEYWORD || value.type == LION_TYPE_STRING) {
        attribute = lion_schema_attribute_named(self->schema, lion_value_slice(value));
        if (attribute == NULL) return lion_schema_fail_unknown(error, self->schema, lion_value_slice(value));
    } else if (lion_query_is_id(value.type)) {
        attribute = lion_schema_attribute(self->schema, value.bits);
    }
    if (attribute == NULL) return LION_ABSENT;
    *out = lion_value_scalar(LION_TYPE_ATTRIBUTE, attribute->id);
    return LION_OK;
}

/* ---- one row ---- */

/* Which attribute this row asks for; NULL: any. */
static const lion_attribute *row_attribute(const pattern *self)
{
    if (self->spec.attribute != NULL) return self->spec.attribute;
    return self->is_known[A] ? lion_schema_attribute(self->schema, self->known[A].bits) : NULL;
}

static lion_status coerce_position(pattern *self, int position, lion_value value, lion_error *error)
{
    lion_status status = LION_OK;
    lion_value *out = &self->known[position];
    const lion_attribute *attribute = position == V ? row_attribute(self) : NULL;
    if (position == E) status = lion_pattern_entity(out, &self->spec, value, &self->operator.run->arena, error);
    else if (position == TX) status = to_entity(self, value, out, error);
    else if (position == A) status = to_attribute(self, value, out, error);
    else if (attribute != NULL) status = lion_pattern_value(out, &self->spec, attribute, value, &self->operator.run->arena, error);
    else if (position == V && value.type == LION_TYPE_KEYWORD && to_entity(self, value, out, NULL) != LION_OK) *out = value;
    else if (position != V || value.type != LION_TYPE_KEYWORD) *out = value;
    self->is_known[position] = status == LION_OK;
    return status;
}

/* LION_ABSENT: this row can match nothing. Order matters: the attribute before the value. */
static lion_status take_row(pattern *self, uint32_t row, lion_error *error)
{
    static const int ORDER[] = { A, E, V, TX, OP };
    for (int i = 0; i < 5; i++) {
        const lion_position *position = &self->spec.positions[ORDER[i]];
        if (position->kind != LION_POSITION_BOUND) continue;
        lion_value value = lion_batch_get(&self->reading.batch, self->in[ORDER[i]], row);
        lion_status status = coerce_position(self, ORDER[i], value, error);
        if (status != LION_OK) return status;
    }
    /* A keyword constant with a variable attribute is an ident or a keyword, as the attribute says. */
    if (self->spec.positions[V].kind == LION_POSITION_CONST && self->spec.attribute == NULL)
        return coerce_position(self, V, self->spec.positions[V].constant, error);
    return LION_OK;
}

/* The index that the known positions lead, and its key. */
static lion_index choose_key(pattern *self, lion_key *key)
{
    const lion_attribute *attribute = row_attribute(self);
    bool has_e = self->is_known[E], has_v = self->is_known[V];
    for (int i = 0; i < 5; i++) self->is_checked[i] = self->is_known[i];
    *key = (lion_key){ 0 };
    if (has_e) key->datom.e = self->known[E].bits;
    if (has_v) key->datom.v = self->known[V];
    if (attribute != NULL) key->datom.a = attribute->id;
    self->is_checked[A] = false;
    if (attribute != NULL && !has_e && has_v && attribute->is_in_avet) {
        self->is_checked[V] = false;
        key->parts = 2;
        return LION_AVET;
    }
    if (self->spec.range != NULL && !has_e && !has_v) {
        key->datom.v = self->spec.range->low;
        key->parts = self->spec.range->has_low ? 2 : 1;
        return LION_AVET;
    }
    if (attribute != NULL) {
        self->is_checked[E] = false;
        key->parts = has_e ? 2 : 1;
        if (has_e && has_v) {
            self->is_checked[V] = false;
            key->parts = 3;
        }
        return LION_AEVT;
    }
    if (!has_e && has_v && (self->known[V].type == LION_TYPE_REF || self->known[V].type == LION_TYPE_ATTRIBUTE)) {
        key->datom.v = lion_value_ref(self->known[V].bits);
        key->parts = 1;
        return LION_VAET;
    }
    self->is_checked[E] = false;
    key->parts = has_e ? 1 : 0;
    return LION_EAVT;
}

static lion_status open_cursor(pattern *self, const lion_key *key, lion_index index, lion_error *error)
{
    self->has_datoms = false;
    if (self->cursor != NULL && self->cursor_index == index) return lion_cursor_seek(self->cursor, key, error);
    lion_cursor_options options = { .columns = self->columns };
    if (self->operator.inputs[0]->rows > 1) options.batch_rows = 64;
    const lion_index_range *range = self->spec.range;
    if (range != NULL && index == LION_AVET) {
        options.is_seek = options.is_in_attribute = true;
        options.end_v = range->has_end ? &range->end : NULL;
    }
    self->cursor_index = index;
    self->cursor = NULL;
    return lion_cursor_open(&self->cursor, &self->spec.db->view, index, key, &options, &self->operator.run->arena, error);
}

/* ---- emitting ---- */

static bool matches(const pattern *self, const lion_value parts[5])
{
    for (int i = 0; i < 5; i++) {
        if (self->is_checked[i] && !lion_value_equal(self->known[i], parts[i])) return false;
        const lion_position *position = &self->spec.positions[i];
        if (position->kind == LION_POSITION_SAME && !lion_value_equal(parts[i], parts[position->index])) return false;
    }
    return true;
}

static void put(pattern *self, uint32_t row, const lion_value parts[5])
{
    lion_output_keep(&self->output, &self->reading.batch, row);
    for (int i = 0; i < 5; i++)
        if (self->out[i] != LION_SLOT_NONE) *lion_output_at(&self->output, self->out[i]) = parts[i];
    self->output.count++;
}

static void emit(pattern *self, uint32_t row, const lion_value parts[5])
{
    if (matches(self, parts)) put(self, row, parts);
}

static void datom_parts(const pattern *self, uint32_t at, lion_value parts[5])
{
    const lion_datom_batch *datoms = &self->datoms;
    if (self->columns & LION_COLUMN_E) parts[E] = lion_value_ref(datoms->e[at]);
    if (self->columns & LION_COLUMN_A) parts[A] = lion_value_scalar(LION_TYPE_ATTRIBUTE, datoms->a[at]);
    if (self->columns & LION_COLUMN_V) parts[V] = lion_vector_get(&datoms->v, at);
    if (self->columns & LION_COLUMN_TX) {
        parts[TX] = lion_value_ref(datoms->tx[at]);
        parts[OP] = lion_value_boolean(datoms->added[at] != 0);
    }
}

/* LION_OK: the cursor's batch has rows; LION_END: this key is done. */
static lion_status need_datoms(pattern *self, lion_error *error)
{
    if (self->has_datoms && self->at < self->datoms.count) return LION_OK;
    lion_status status = lion_cursor_next(self->cursor, &self->datoms, error);
    if (status == LION_CALL) self->operator.run->call = lion_cursor_call(self->cursor);
    self->has_datoms = status == LION_OK;
    self->at = 0;
    return status;
}

/* ---- the hash table ---- */

static uint32_t table_width(const pattern *self)
{
    uint32_t width = 0;
    for (int i = 0; i < 5; i++) width += self->out[i] != LION_SLOT_NONE || self->spec.positions[i].kind == LION_POSITION_BOUND;
    return width;
}

static bool has_hash_room(pattern *self)
{
    size_t rows = (size_t)self->spec.count;
    bool has_room = lion_run_has_room(self->operator.run, rows * table_width(self) * sizeof(lion_value) + lion_row_index_size(rows));
    if (!has_room && self->operator.advice == NULL) self->operator.advice = LION_NO_TABLE;
    return has_room;
}

static bool wants_hash(pattern *self)
{
    lion_tables tables = lion_pattern_tables(self->operator.run);
    if (self->spec.attribute == NULL || self->facts != NULL || self->in_hash || tables == LION_TABLES_NEVER) return false;
    bool is_worth_it = self->probes >= HASH_PROBES_MIN && self->spec.count <= HASH_COUNT_MAX && self->spec.count / 4 <= self->probes;
    if (!is_worth_it && tables != LION_TABLES_AT_ONCE) return false;
    bool has_key = self->spec.positions[E].kind == LION_POSITION_BOUND || self->spec.positions[V].kind == LION_POSITION_BOUND;
    return has_key && has_hash_room(self);
}

static void known_constants(pattern *self)
{
    for (int i = 0; i < 5; i++)
        self->is_known[i] = self->spec.positions[i].kind == LION_POSITION_CONST && (i != V || self->spec.attribute != NULL);
}

/* The keys are the columns of what is bound. */
static void init_table(pattern *self, lion_arena *arena)
{
    uint32_t keys[5], count = 0, width = 0;
    for (uint32_t i = 0; i < 5; i++) {
        bool is_key = self->spec.positions[i].kind == LION_POSITION_BOUND;
        if (is_key) self->hash_positions[count] = i;
        if (is_key) keys[count++] = width;
        if (is_key || self->out[i] != LION_SLOT_NONE) self->table_positions[width++] = i;
    }
    self->table = lion_arena_new(arena, lion_relation);
    lion_relation_init(self->table, arena, width);
    lion_relation_reserve(self->table, (size_t)self->spec.count);
    lion_row_index_init(&self->hash, self->table, keys, count);
}

static void add_to_table(pattern *self, const lion_value parts[5])
{
    lion_value row[5];
    for (uint32_t i = 0; i < self->table->width; i++) row[i] = parts[self->table_positions[i]];
    lion_relation_append(self->table, row);
}

/* Read all datoms that match the constants. Taken again after a LION_CALL. */
static lion_status build_hash(pattern *self, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    lion_status status = LION_OK;
    if (!self->is_hashing) {
        lion_key key;
        known_constants(self);
        lion_index index = choose_key(self, &key);
        self->cursor = NULL;
        status = open_cursor(self, &key, index, error);
        if (status != LION_OK) return status;
        init_table(self, arena);
        self->is_hashing = true;
    }
    while ((status = need_datoms(self, error)) == LION_OK) {
        lion_value parts[5] = { { 0 } };
        for (; self->at < self->datoms.count; self->at++) {
            datom_parts(self, self->at, parts);
            if (matches(self, parts)) add_to_table(self, parts);
        }
        status = lion_run_check(self->operator.run, error);
        if (status != LION_OK) return status;
    }
    if (status != LION_END) return status;
    lion_row_index_follow(&self->hash);
    self->is_hashing = false;
    self->in_hash = true;
    self->operator.name = "hash-join";
    return LION_OK;
}

static void start_hash_row(pattern *self)
{
    for (uint32_t i = 0; i < self->hash.key_count; i++) self->hash_key[i] = self->known[self->hash_positions[i]];
    for (int i = 0; i < 5; i++) self->is_checked[i] = false;
    self->found = lion_row_index_find(&self->hash, self->hash_key);
}

static void run_hash_row(pattern *self, uint32_t row)
{
    lion_value parts[5] = { { 0 } }; /* what is compared was, as the table was read */
    while (self->found != 0 && !lion_output_is_full(&self->output)) {
        const lion_value *found = lion_relation_row(self->table, self->found - 1);
        for (uint32_t i = 0; i < self->table->width; i++) parts[self->table_positions[i]] = found[i];
        put(self, row, parts);
        self->found = lion_row_index_next(&self->hash, self->found, self->hash_key);
    }
    self->is_row_open = self->found != 0;
}

/* ---- points: one value of (e, a), or one e of a unique (a, v), without a cursor ---- */

static bool is_plain(const pattern *self)
{
    const lion_view *view = &self->spec.db->view;
    return view->filter_count == 0 && !view->is_history;
}

/* How much of an attribute may be in novelty, where facts are not kept open. */
#define NOVELTY_PART_MAX 8

/* Values of entities that come by the thousand: the attribute's leaves stay open, and each value is an index away. */
static lion_status open_facts(pattern *self, lion_error *error)
{
    const lion_view *view = &self->spec.db->view;
    const lion_attribute *attribute = self->spec.attribute;
    self->has_no_facts = true;
    bool is_value_alone = (self->columns & LION_COLUMN_TX) == 0;
    if (attribute == NULL || attribute->is_many || !is_value_alone) return LION_OK;
    if (self->spec.positions[E].kind != LION_POSITION_BOUND || !lion_view_is_plain(view)) return LION_OK;
    uint64_t in_novelty = 0;
    int64_t net;
    lion_key key = { .datom = { .a = attribute->id }, .parts = 1 };
    lion_novelty_count(&in_novelty, &net, &view->novelty, LION_AEVT, &key);
    if (in_novelty > self->spec.count / NOVELTY_PART_MAX || view->speculative.novelty != NULL) return LION_OK;
    return lion_facts_new(&self->facts, view, 0, LION_TYPE_NIL, &attribute->id, 1, &self->operator.run->arena, error);
}

static lion_status run_fact(pattern *self, uint32_t row, lion_error *error)
{
    lion_value parts[5] = { { 0 } };
    lion_status status = lion_facts_get(&parts[V], self->facts, self->known[E].bits, error);
    if (status != LION_OK || parts[V].type == LION_TYPE_NIL) return status;
    parts[E] = self->known[E];
    for (int i = 0; i < 5; i++) self->is_checked[i] = false;
    self->is_checked[V] = self->is_known[V];
    emit(self, row, parts);
    return LION_OK;
}

/* LION_OK: the row is done (emitted or not); LION_ABSENT: not a case for a point. */
static lion_status run_point(pattern *self, uint32_t row, lion_error *error)
{
    const lion_attribute *attribute = row_attribute(self);
    if (attribute == NULL || !is_plain(self)) return LION_ABSENT;
    if (self->facts == NULL && !self->has_no_facts && self->probes > FACTS_PROBES_MIN) {
        lion_status opened = open_facts(self, error);
        if (opened != LION_OK) return opened;
    }
    if (self->facts != NULL) return run_fact(self, row, error);
    lion_arena *arena = &self->operator.run->arena;
    const lion_view *view = &self->spec.db->view;
    lion_value parts[5] = { { 0 } };
    int64_t tx = 0;
    lion_status status;
    if (self->is_known[E] && lion_attribute_was_one(attribute, view->upper_t)) {
        parts[E] = self->known[E];
        status = lion_view_get(&parts[V], &tx, view, self->known[E].bits, attribute->id, arena, error);
    } else if (!self->is_known[E] && self->is_known[V] && lion_attribute_was_unique(attribute, view->upper_t)) {
        int64_t e = 0;
        parts[V] = self->known[V];
        status = lion_view_find(&e, &tx, view, attribute->id, self->known[V], arena, error);
        parts[E] = lion_value_ref(e);
    } else {
        return LION_ABSENT;
    }
    if (status == LION_FAILED) return status;
    if (status != LION_OK) return LION_OK;
    parts[A] = lion_value_scalar(LION_TYPE_ATTRIBUTE, attribute->id);
    parts[TX] = lion_value_ref(tx);
    parts[OP] = lion_value_boolean(true);
    for (int i = 0; i < 5; i++) self->is_checked[i] = self->is_known[i];
    emit(self, row, parts);
    return LION_OK;
}

/* ---- stepping ---- */

/* LION_OK: the row is open or done; LION_ABSENT: it matches nothing. */
static lion_status start_row(pattern *self, uint32_t row, lion_error *error)
{
    known_constants(self);
    for (int i = 0; i < 5; i++)
        if (self->is_known[i]) self->known[i] = self->spec.positions[i].constant;
    lion_status status = take_row(self, row, error);
    if (status != LION_OK) return status;
    self->probes++;
    if (self->in_hash) {
        start_hash_row(self);
        self->is_row_open = true;
        return LION_OK;
    }
    status = run_point(self, row, error);
    if (status != LION_ABSENT) return status;
    lion_key key;
    lion_index index = choose_key(self, &key);
    self->is_row_open = true;
    return open_cursor(self, &key, index, error);
}

static lion_status run_cursor_row(pattern *self, uint32_t row, lion_error *error)
{
    while (!lion_output_is_full(&self->output)) {
        lion_status status = need_datoms(self, error);
        if (status == LION_END) self->is_row_open = false;
        if (status != LION_OK) return status == LION_END ? LION_OK : status;
        lion_value parts[5] = { { 0 } };
        for (; self->at < self->datoms.count && !lion_output_is_full(&self->output); self->at++) {
            datom_parts(self, self->at, parts);
            emit(self, row, parts);
        }
    }
    return LION_OK;
}

static lion_status pattern_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    pattern *self = (pattern *)operator;
    if (self->never) return LION_END;
    uint32_t steps = 0;
    while (!lion_output_is_full(&self->output)) {
        uint32_t row = 0;
        lion_status status = lion_reading_row(&self->reading, operator->inputs[0], &row, error);
        if (status == LION_END) break;
        if (status != LION_OK) return status;
        if (self->is_hashing || (!self->is_row_open && wants_hash(self))) {
            status = build_hash(self, error);
            if (status != LION_OK) return status;
        }
        if (!self->is_row_open) status = start_row(self, row, error);
        if (status != LION_OK && status != LION_ABSENT) return status;
        if (self->is_row_open && self->in_hash) run_hash_row(self, row);
        else if (self->is_row_open) status = run_cursor_row(self, row, error);
        if (status != LION_OK && status != LION_ABSENT) return status;
        if (self->is_row_open) break;
        lion_reading_advance(&self->reading);
        if (++steps % LION_BATCH_ROWS == 0 && (status = lion_run_check(operator->run, error)) != LION_OK) return status;
    }
    return lion_output_yield(&self->output, batch_out);
}

static lion_status pattern_rewind(lion_operator *operator, lion_error *error)
{
    pattern *self = (pattern *)operator;
    (void)error;
    self->reading = (lion_reading){ 0 };
    self->output.count = 0;
    self->is_row_open = false;
    return LION_OK;
}

/* Constants are coerced once; one that cannot be what its attribute holds matches nothing. */
static lion_status coerce_constants(pattern *self)
{
    static const int ORDER[] = { E, V, TX, OP };
    for (int i = 0; i < 4; i++) {
        lion_position *position = &self->spec.positions[ORDER[i]];
        if (position->kind != LION_POSITION_CONST || (ORDER[i] == V && self->spec.attribute == NULL)) continue;
        if (coerce_position(self, ORDER[i], position->constant, NULL) != LION_OK) return LION_ABSENT;
        position->constant = self->known[ORDER[i]];
    }
    return LION_OK;
}

static uint32_t needed_columns(const pattern *self)
{
    static const uint32_t COLUMN[5] = { LION_COLUMN_E, LION_COLUMN_A, LION_COLUMN_V, LION_COLUMN_TX, LION_COLUMN_TX };
    uint32_t columns = 0;
    for (int i = 0; i < 5; i++) {
        uint8_t kind = self->spec.positions[i].kind;
        bool is_needed = kind != LION_POSITION_BLANK && !(i == A && self->spec.attribute != NULL);
        if (is_needed) columns |= COLUMN[i];
        if (kind == LION_POSITION_SAME) columns |= COLUMN[self->spec.positions[i].index];
    }
    return columns == 0 ? LION_COLUMN_E : columns;
}

static lion_operator *lookup_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep);

static lion_operator *lookup_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    lion_pattern_spec spec = lion_pattern_spec_in(&((const pattern *)operator)->spec, run);
    return lookup_new(run, input, &spec, lion_operator_keep(operator, run));
}

static lion_operator *lookup_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep)
{
    pattern *self = LION_OPERATOR(run, pattern, pattern_next, "lookup");
    self->operator.rewind = pattern_rewind;
    self->operator.inputs[0] = input;
    if (spec->db->view.filter_count == 0) self->operator.copy = lookup_copy;
    self->spec = *spec;
    self->schema = spec->db->schema;
    uint32_t added[5], added_count = 0;
    bool is_probe = false;
    for (uint32_t i = 0; i < 5; i++) {
        const lion_position *position = &spec->positions[i];
        self->out[i] = self->in[i] = LION_SLOT_NONE;
        if (position->kind == LION_POSITION_BOUND) {
            self->in[i] = lion_operator_slot(input, position->index);
            is_probe = true;
        }
        if (position->kind != LION_POSITION_OUT || !keep[position->index]) continue;
        self->out[i] = added_count;
        added[added_count++] = position->index;
    }
    if (!is_probe) self->operator.name = spec->range != NULL ? "range" : "scan";
    lion_output_init(&self->output, &self->operator, input, keep, added, added_count);
    for (uint32_t i = 0; i < 5; i++)
        if (self->out[i] != LION_SLOT_NONE) self->out[i] += self->output.kept;
    self->columns = needed_columns(self);
    self->never = coerce_constants(self) != LION_OK;
    return &self->operator;
}

lion_operator *lion_pattern_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep)
{
    pattern coercing = { .operator = { .run = run }, .spec = *spec, .schema = spec->db->schema };
    bool never = coerce_constants(&coercing) != LION_OK;
    bool may_scan = !never && lion_run_allows(run, LION_PLAN_SCAN), may_probe = !never && lion_run_allows(run, LION_PLAN_LOOKUP);
    bool may_star = !never && lion_run_allows(run, LION_PLAN_STAR);
    if (may_scan && lion_scan_can(spec)) return lion_scan_new(run, input, &coercing.spec, keep);
    if (lion_run_forces(run, LION_PLAN_LOOKUP) && may_probe && lion_probe_can(spec)) return lion_probe_new(run, input, &coercing.spec, keep);
    if (may_star && lion_star_can(spec)) return lion_star_new(run, input, &coercing.spec, keep);
    if (may_probe && lion_probe_can(spec)) return lion_probe_new(run, input, &coercing.spec, keep);
    return lookup_new(run, input, spec, keep);
}
