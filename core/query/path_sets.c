/* path_sets.c - what every entity reaches, at once. Nodes that reach each other are one component (Tarjan); components come
 * out with what they lead to first, so each one's set is the union of sets that are there already. A component of one node
 * that leads nowhere needs no set, and one that only is a source has its set made when it is asked for. */
#include "query/path.h"

#define SETS_BYTES_MAX (UINT64_C(256) << 20)
#define CHECK_EVERY 4096
#define NO_SET UINT32_MAX

struct lion_path_sets {
    lion_paths *paths;
    size_t words;
    uint32_t nodes;            /* of the product */
    uint32_t *component_of;    /* per node */
    uint32_t *members;         /* nodes, a component after the other … */
    uint32_t *first;           /* … component_count + 1 */
    uint32_t component_count;
    uint32_t *set_of;          /* per component, or NO_SET */
    uint32_t *stamp;           /* per component: the last one that took its set in */
    uint32_t set_count;
    uint64_t *sets;
    uint64_t *asked;           /* the set of a source that has none of its own */
    uint32_t last_stamp;
};

/* A node whose neighbours are being visited: the next one is the `at`th of step `step`. */
typedef struct frame {
    uint32_t node, step, at;
} frame;

typedef struct tarjan {
    lion_path_sets *sets;
    uint32_t *low;             /* per node: 1 + the least number it leads back to; 0: not visited */
    frame *frames;
    uint32_t frame_count;
    uint32_t *stack;
    uint32_t stack_count, next;
} tarjan;

static uint32_t state_of(const lion_path_sets *self, uint32_t node)
{
    return node / self->paths->graph->node_count;
}

static void enter(tarjan *self, uint32_t node)
{
    lion_path_sets *sets = self->sets;
    uint32_t state = state_of(sets, node), step = sets->paths->steps_of[state];
    uint32_t number = node - state * sets->paths->graph->node_count;
    bool has_step = step < sets->paths->steps_of[state + 1];
    self->low[node] = ++self->next;
    self->stack[self->stack_count++] = node;
    self->frames[self->frame_count++] = (frame){ .node = node, .step = step, .at = has_step ? sets->paths->steps[step].adjacency.start[number] : 0 };
}

/* The next neighbour of the innermost frame; UINT32_MAX: it has no more. */
static uint32_t next_neighbour(tarjan *self)
{
    const lion_paths *paths = self->sets->paths;
    frame *top = &self->frames[self->frame_count - 1];
    uint32_t count = paths->graph->node_count, state = state_of(self->sets, top->node), number = top->node - state * count;
    while (top->step < paths->steps_of[state + 1]) {
        const lion_path_step *step = &paths->steps[top->step];
        if (top->at < step->adjacency.start[number + 1]) return step->to * count + step->adjacency.to[top->at++];
        if (++top->step < paths->steps_of[state + 1]) top->at = paths->steps[top->step].adjacency.start[number];
    }
    return UINT32_MAX;
}

/* low[] holds each node's own number until it is lowered; the root of a component is the one that keeps its own. */
static void leave(tarjan *self, const uint32_t *own)
{
    lion_path_sets *sets = self->sets;
    uint32_t node = self->frames[--self->frame_count].node;
    if (self->frame_count > 0) {
        uint32_t above = self->frames[self->frame_count - 1].node;
        if (self->low[node] < self->low[above]) self->low[above] = self->low[node];
    }
    if (self->low[node] != own[node]) return;
    uint32_t member, at = sets->first[sets->component_count];
    do {
        member = self->stack[--self->stack_count];
        sets->component_of[member] = sets->component_count;
        sets->members[at++] = member;
        self->low[member] = UINT32_MAX; /* lowers nobody any more */
    } while (member != node);
    sets->first[++sets->component_count] = at;
}

static lion_status visit(tarjan *self, uint32_t *own, uint32_t root, lion_error *error)
{
    uint32_t steps = 0;
    enter(self, root);
    own[root] = self->low[root];
    while (self->frame_count > 0) {
        uint32_t node = next_neighbour(self);
        if (node == UINT32_MAX) {
            leave(self, own);
        } else if (self->low[node] == 0) {
            enter(self, node);
            own[node] = self->low[node];
        } else {
            uint32_t top = self->frames[self->frame_count - 1].node;
            if (own[node] < self->low[top] && self->low[node] != UINT32_MAX) self->low[top] = own[node];
        }
        if (++steps % CHECK_EVERY == 0 && lion_run_check(self->sets->paths->run, error) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

static lion_status find_components(lion_path_sets *self, lion_arena *scratch, lion_error *error)
{
    lion_paths *paths = self->paths;
    tarjan walk = { .sets = self };
    uint32_t *own = lion_arena_zalloc(scratch, sizeof(uint32_t) * (self->nodes + 1));
    walk.low = lion_arena_zalloc(scratch, sizeof(uint32_t) * (self->nodes + 1));
    walk.stack = lion_arena_array(scratch, uint32_t, self->nodes + 1);
    walk.frames = lion_arena_array(scratch, frame, self->nodes + 1);
    if (own == NULL || walk.low == NULL || walk.stack == NULL || walk.frames == NULL) return lion_fail_memory(error);
    lion_status status = lion_run_check_with(paths->run, scratch, error);
    for (uint32_t i = 0; status == LION_OK && i < paths->graph->node_count; i++) {
        uint32_t node = paths->start * paths->graph->node_count + i;
        if (walk.low[node] == 0) status = visit(&walk, own, node, error);
    }
    return status;
}

/* ---- the sets ---- */

static bool leads_nowhere(const lion_path_sets *self, uint32_t node)
{
    const lion_paths *paths = self->paths;
    uint32_t state = state_of(self, node), number = node - state * paths->graph->node_count;
    for (uint32_t i = paths->steps_of[state]; i < paths->steps_of[state + 1]; i++)
        if (paths->steps[i].adjacency.start[number] < paths->steps[i].adjacency.start[number + 1]) return false;
    return true;
}

static bool is_returned_to(const lion_paths *paths)
{
    for (uint32_t i = 0; i < paths->steps_of[paths->state_count]; i++)
        if (paths->steps[i].to == paths->start) return true;
    return false;
}

static void number_sets(lion_path_sets *self)
{
    bool are_sources_alone = !is_returned_to(self->paths);
    for (uint32_t c = 0; c < self->component_count; c++) {
        uint32_t node = self->members[self->first[c]];
        bool is_single = self->first[c + 1] - self->first[c] == 1;
        bool has_none = is_single && (leads_nowhere(self, node) || (are_sources_alone && state_of(self, node) == self->paths->start));
        self->set_of[c] = has_none ? NO_SET : self->set_count++;
    }
}

static void add_node(const lion_path_sets *self, uint64_t *set, uint32_t node)
{
    uint32_t number = node - self->paths->end * self->paths->graph->node_count;
    if (number < self->paths->graph->node_count) set[number / 64] |= UINT64_C(1) << (number & 63);
}

/* What the nodes next to one reach, themselves among it. */
static void add_neighbours(lion_path_sets *self, uint64_t *set, uint32_t node, uint32_t stamp)
{
    const lion_paths *paths = self->paths;
    uint32_t count = paths->graph->node_count, state = state_of(self, node), number = node - state * count;
    for (uint32_t i = paths->steps_of[state]; i < paths->steps_of[state + 1]; i++) {
        const lion_path_step *step = &paths->steps[i];
        for (uint32_t k = step->adjacency.start[number]; k < step->adjacency.start[number + 1]; k++) {
            uint32_t next = step->to * count + step->adjacency.to[k], component = self->component_of[next];
            if (self->set_of[component] == NO_SET) {
                add_node(self, set, next);
                continue;
            }
            if (self->stamp[component] == stamp) continue;
            self->stamp[component] = stamp;
            const uint64_t *other = self->sets + self->set_of[component] * self->words;
            for (size_t w = 0; w < self->words; w++) set[w] |= other[w];
        }
    }
}

static lion_status fill_sets(lion_path_sets *self, lion_error *error)
{
    for (uint32_t c = 0; c < self->component_count; c++) {
        if (self->set_of[c] == NO_SET) continue;
        uint64_t *set = self->sets + self->set_of[c] * self->words;
        self->stamp[c] = ++self->last_stamp; /* its own set is this one */
        for (uint32_t i = self->first[c]; i < self->first[c + 1]; i++) {
            add_node(self, set, self->members[i]);
            add_neighbours(self, set, self->members[i], self->last_stamp);
            if (i % 64 == 0 && lion_run_check(self->paths->run, error) != LION_OK) return LION_FAILED;
        }
    }
    return LION_OK;
}

/* For each node: its component, members, where these begin, sets and stamps, and what finding them takes for a while. */
#define NODE_BYTES 44

static bool has_room(const lion_path_sets *self, uint64_t bytes)
{
    const lion_run *run = self->paths->run;
    return bytes <= SETS_BYTES_MAX && run->options.table_rows_max == 0 && lion_run_has_room(run, bytes);
}

/* What was made on the way to sets that have no room. */
static void release(lion_path_sets *self)
{
    lion_arena *arena = &self->paths->run->arena;
    size_t size = sizeof(uint32_t) * ((size_t)self->nodes + 1), components = sizeof(uint32_t) * ((size_t)self->component_count + 1);
    lion_arena_release(arena, self->component_of, size);
    lion_arena_release(arena, self->members, size);
    lion_arena_release(arena, self->first, size);
    lion_arena_release(arena, self->set_of, components);
    lion_arena_release(arena, self->stamp, components);
}

static lion_status make(lion_path_sets *self, lion_arena *scratch, lion_error *error)
{
    lion_arena *arena = &self->paths->run->arena;
    self->component_of = lion_arena_array(arena, uint32_t, self->nodes + 1);
    self->members = lion_arena_array(arena, uint32_t, self->nodes + 1);
    self->first = lion_arena_zalloc(arena, sizeof(uint32_t) * (self->nodes + 1));
    if (self->component_of == NULL || self->members == NULL || self->first == NULL || arena->is_exhausted) return lion_fail_memory(error);
    lion_status status = find_components(self, scratch, error);
    if (status != LION_OK) return status;
    self->set_of = lion_arena_array(arena, uint32_t, self->component_count + 1);
    self->stamp = lion_arena_zalloc(arena, sizeof(uint32_t) * (self->component_count + 1));
    if (self->set_of == NULL || self->stamp == NULL) return lion_fail_memory(error);
    number_sets(self);
    if (!has_room(self, (uint64_t)self->set_count * self->words * sizeof(uint64_t))) {
        release(self);
        return LION_ABSENT;
    }
    self->sets = lion_arena_zalloc(arena, ((size_t)self->set_count * self->words + 1) * sizeof(uint64_t));
    self->asked = lion_arena_zalloc(arena, (self->words + 1) * sizeof(uint64_t));
    if (self->sets == NULL || self->asked == NULL || arena->is_exhausted) return lion_fail_memory(error);
    return fill_sets(self, error);
}

lion_status lion_path_sets_new(lion_path_sets **sets_out, lion_paths *paths, lion_error *error)
{
    lion_path_sets *self = lion_arena_new(&paths->run->arena, lion_path_sets);
    self->paths = paths;
    self->words = ((size_t)paths->graph->node_count + 63) / 64;
    self->nodes = paths->state_count * paths->graph->node_count;
    if (!has_room(self, (uint64_t)self->nodes * NODE_BYTES)) return LION_ABSENT;
    lion_arena scratch;
    lion_arena_init(&scratch, 0); /* counted with the run's */
    lion_status status = make(self, &scratch, error);
    lion_arena_deinit(&scratch);
    if (status == LION_OK) *sets_out = self;
    return status;
}

const uint64_t *lion_path_sets_of(lion_path_sets *self, uint32_t number)
{
    uint32_t node = self->paths->start * self->paths->graph->node_count + number;
    uint32_t set = self->set_of[self->component_of[node]];
    if (set != NO_SET) return self->sets + set * self->words;
    if (++self->last_stamp == 0) {
        memset(self->stamp, 0, sizeof(uint32_t) * self->component_count);
        self->last_stamp = 1;
    }
    memset(self->asked, 0, self->words * sizeof(uint64_t));
    add_neighbours(self, self->asked, node, self->last_stamp);
    return self->asked;
}

uint32_t lion_path_sets_count(const lion_path_sets *self)
{
    return self->component_count;
}
