/* lion.h - Lion's public C API: a database as an immutable value of facts, asked in Datalog, with its
 * whole past at hand. README.md shows a first program; spec/embed/embed_test.c uses every part of it.
 *
 * Shapes. Everything goes through six handles (lion_connection, lion_db, lion_query, lion_query_run,
 * lion_transacting, lion_cursor …) and a few plain structs: lion_value (a scalar or borrowed bytes),
 * lion_form (nested data: tx data, query inputs, pull patterns and results), lion_vector (a column).
 *
 * Ownership. Parameters are borrowed for the call, unless its comment says longer. Outputs come first, end
 * in _out and are untouched unless the result is LION_OK. What is opened is closed, what is kept is
 * dropped; everything else lies in the arena that was given and goes with it. Bytes of values that were
 * read live as long as the lion_db they were read from, or what their function says.
 *
 * Threads. Connections, database values and queries may be used from any thread at once. A cursor, run,
 * pull, transaction, range or arena belongs to one thread at a time. No function calls back: where the
 * core needs a function of the host, a step returns LION_CALL (see lion_call).
 *
 * Errors. Functions return a lion_status; below 0 the lion_error says why (NULL is allowed where nobody
 * cares). Any function that allocates may answer lion/out-of-memory, any that reads lion/io or
 * lion/corrupt; comments name the others. */
#ifndef LION_H
#define LION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LION_VERSION_MAJOR 0
#define LION_VERSION_MINOR 1
#define LION_VERSION_PATCH 0
#define LION_VERSION_TEXT "0.1.0"

#define LION_API __attribute__((visibility("default")))

/* LION_VERSION_TEXT of the library that runs. */
LION_API const char *lion_version(void);

/* ---- limits ---- */

#define LION_VALUE_SIZE_MAX (256u << 20)  /* bytes of one value */
#ifndef LION_BATCH_ROWS
#define LION_BATCH_ROWS 1024              /* rows of one batch; tests are built with few */
#endif
#define LION_FORM_DEPTH_MAX 10000         /* of results: read them with a stack of your own */
#define LION_FORM_INPUT_DEPTH_MAX 200     /* of forms handed down: whoever builds them keeps to it */
#define LION_TUPLE_DEPTH_MAX 64
#define LION_TX_DATOMS_MAX (16u << 20)    /* of one transaction: lion/transaction-too-large */
#define LION_TX_EXPANSIONS_MAX 10000      /* calls of transaction functions: lion/limit */
#define LION_VIEW_FILTERS_MAX 16          /* of one database value: lion/limit */
#define LION_PARTITION_MAX 2047
#define LION_ID_MAX ((INT64_C(2048) << 42) - 1)
#define LION_ERROR_CODE_SIZE 48
#define LION_ERROR_MESSAGE_SIZE 720

/* ---- data as it lies in memory ----
 * lua/program/cdef.lua makes the declarations of the Lua binding's FFI from here to the closing mark: no
 * line of the preprocessor in between. */
/* ffi: begin */

typedef enum lion_status {
    LION_OK = 0,
    LION_END = 1,    /* no more of it, for good */
    LION_ABSENT = 2, /* looked for, not there */
    LION_CALL = 3,   /* the host must answer a lion_call, then take the same step again */
    LION_FAILED = -1 /* the error says why */
} lion_status;

/* Borrowed bytes: whoever hands one out says how long it lives. */
typedef struct lion_slice {
    const uint8_t *data;
    size_t size;
} lion_slice;

/* The types of values, and what a value of each holds:
 *
 *   type       bits                                  data/size
 *   NIL        0                                     (empty tuple slot, absent)
 *   BOOLEAN    0 | 1
 *   LONG       int64
 *   DOUBLE     IEEE bits
 *   INSTANT    int64 ms since 1970
 *   REF        entity id
 *   ATTRIBUTE  attribute's entity id (query only: prints as its ident; equal to REF and LONG by id)
 *   STRING KEYWORD SYMBOL URI BYTES                  UTF-8 (BYTES: any); keywords without colon
 *   UUID                                             16 bytes, big-endian
 *   DECIMAL                                          ordered bytes: written as text ("12.50"), read by lion_value_text
 *   TUPLE                                            encoded slots: lion_tuple_make, lion_tuple_read
 *   LOG        the log of a lion_db * (borrowed): an input of a query for tx-ids and tx-data, never stored */
typedef enum lion_type {
    LION_TYPE_NIL = 0,
    LION_TYPE_BOOLEAN = 1,
    LION_TYPE_LONG = 2,
    LION_TYPE_DOUBLE = 3,
    LION_TYPE_INSTANT = 4,
    LION_TYPE_REF = 5,
    LION_TYPE_ATTRIBUTE = 6,
    LION_TYPE_STRING = 7,
    LION_TYPE_KEYWORD = 8,
    LION_TYPE_SYMBOL = 9,
    LION_TYPE_URI = 10,
    LION_TYPE_UUID = 11,
    LION_TYPE_BYTES = 12,
    LION_TYPE_TUPLE = 13,
    LION_TYPE_DECIMAL = 14,
    LION_TYPE_MIXED = 15, /* of a vector only: its values are tagged one by one */
    LION_TYPE_LOG = 16
} lion_type;

typedef struct lion_value {
    uint8_t type; /* lion_type */
    uint8_t zero[1];
    uint16_t code; /* in a vector with a dictionary: its place there + 1, or 0; anywhere else it says nothing */
    uint32_t size; /* of data; 0 for scalars */
    union {
        int64_t bits;
        double number;
        const uint8_t *data;
    };
} lion_value;

/* Nested data as hosts hand it down (transaction data, query inputs, the query IR, pull patterns), and as
 * the core hands it back where a result has no fixed columns (pull, calls). A form is a tree in one arena:
 * scalars are values; vectors, maps and sets hold children in arrays. Immutable once built. */
typedef enum lion_form_kind {
    LION_FORM_VALUE = 0, /* value */
    LION_FORM_VECTOR,    /* items[0..count) ; EDN vectors and lists, Lua arrays */
    LION_FORM_MAP,       /* items[0..2*count): key, value, key, value … */
    LION_FORM_SET,       /* items[0..count) ; lion.set, EDN sets: never a lookup ref */
    LION_FORM_HOST,      /* a host function: value.bits is the host's handle */
    LION_FORM_DB         /* a database argument of a call: value.bits is a lion_db * (borrowed) */
} lion_form_kind;

/* Flags: a string that is a string, a vector that is a lookup ref, whatever it looks like. */
typedef enum lion_form_flags { LION_FORM_LITERAL = 1, LION_FORM_LOOKUP = 2 } lion_form_flags;

typedef struct lion_form {
    uint8_t kind;  /* lion_form_kind */
    uint8_t flags; /* lion_form_flags */
    uint8_t zero[2];
    uint32_t count;
    union {
        lion_value value;
        struct lion_form *items;
    };
} lion_form;

/* A fact. Orders of the indexes (tx descending inside equal e,a,v: the newest first; an assertion and a
 * retraction of the same fact never share a tx):
 *
 *   EAVT e a v tx     AEVT a e v tx     AVET a v e tx     VAET v a e tx (refs only) */
typedef struct lion_datom {
    int64_t e;
    lion_value v;
    int64_t tx;
    uint32_t a; /* the attribute's entity id */
    bool added;
    uint8_t zero[3];
} lion_datom;

typedef enum lion_index { LION_EAVT = 0, LION_AEVT = 1, LION_AVET = 2, LION_VAET = 3 } lion_index;

/* The values that rows of a column have. The stamp tells them from all others that there are or were in the
 * process, so that what was found out about them can be kept. */
typedef struct lion_dictionary {
    const lion_value *values; /* that with code n is values[n - 1] */
    uint32_t count;           /* up to 65535 */
    uint64_t stamp;           /* not 0 */
} lion_dictionary;

/* One column of up to LION_BATCH_ROWS rows. When its type is a scalar one (up to ATTRIBUTE), the values are
 * bits[]; otherwise they are values[] (all of that type, or tagged one by one when type is MIXED). A
 * constant vector holds one value that stands for every row. lion_vector_get reads either.
 *
 * Beside values[] of one type there may be a dictionary, for as long as the batch: a row's value is there,
 * under its code, unless that is 0. Who asks the same of every row can ask once for each code. Equal values
 * may have several. */
typedef struct lion_vector {
    uint8_t type; /* lion_type */
    bool is_constant;
    uint8_t zero[6];
    union {
        int64_t *bits;      /* scalar types (doubles by their bits) */
        lion_value *values; /* the others, and MIXED */
    };
    const lion_dictionary *dictionary; /* NULL: there is none */
} lion_vector;

/* Datoms from a cursor. Only the columns asked for are filled. Valid until the next step of the cursor;
 * bytes of values live as long as the database value that was read. */
typedef enum lion_datom_columns {
    LION_COLUMN_E = 1,
    LION_COLUMN_A = 2,
    LION_COLUMN_V = 4,
    LION_COLUMN_TX = 8, /* tx and added */
    LION_COLUMN_ALL = 15
} lion_datom_columns;

typedef struct lion_datom_batch {
    uint32_t count;
    uint32_t columns; /* the lion_datom_columns that are filled */
    const int64_t *e; /* NULL when not asked for */
    const uint32_t *a;
    lion_vector v;
    const int64_t *tx;
    const uint8_t *added;
} lion_datom_batch;

/* How the core asks its host to run a user's function. A step (of a cursor, query, pull, transaction) that
 * needs one returns LION_CALL and leaves here what to call. The host runs it, writes verdict or results, sets
 * is_answered and takes the same step again; the step goes on where it was. To give up, close what was
 * stepped. */
typedef enum lion_call_kind {
    LION_CALL_PREDICATE = 1,   /* per row: arguments → verdict[row] (truthy) */
    LION_CALL_FUNCTION = 2,    /* per row: arguments → results[row], a form (NIL: no row) */
    LION_CALL_AGGREGATE = 3,   /* forms[0] is a vector of values → results[0] */
    LION_CALL_FILTER = 4,      /* db, a datom batch → verdict[row] */
    LION_CALL_TRANSACTION = 5, /* db, argument forms → results[0]: tx data */
    LION_CALL_ATTRIBUTE = 6,   /* attribute predicate: forms[0] → results[0], must be exactly true */
    LION_CALL_ENTITY = 7,      /* entity predicate: db after, entity id in forms[0] → results[0] */
    LION_CALL_XFORM = 8        /* pull: one value form in forms[0] → results[0] */
} lion_call_kind;

typedef struct lion_call {
    int32_t kind;    /* lion_call_kind */
    uint32_t count;  /* rows asked for (1 for the one-shot kinds) */
    lion_slice name; /* "module/function"; empty when `host` names the function */
    int64_t host;    /* the host's handle (LION_FORM_HOST or a filter's), when name is empty */
    void *db;        /* lion_db *, borrowed: FILTER, TRANSACTION, ENTITY; else NULL */
    uint32_t argument_count;
    uint32_t form_count;
    const lion_vector *arguments; /* PREDICATE, FUNCTION: argument_count columns of `count` rows */
    const lion_datom_batch *datoms; /* FILTER */
    const lion_form *forms;         /* the one-shot kinds: form_count arguments */
    uint8_t *verdict;               /* PREDICATE, FILTER: the host writes count bytes, 0 or 1 */
    lion_form *results;             /* the others: the host writes count forms … */
    struct lion_arena *arena;       /* … whose memory comes from here */
    bool is_answered;               /* set by the host before it steps again */
} lion_call;

/* ffi: end */

/* ---- errors ---- */

/* The nine anomalies: what the caller may do about it. */
typedef enum lion_category {
    LION_UNAVAILABLE = 1, /* try again, later or elsewhere */
    LION_INTERRUPTED,     /* stopped by a bound or a cancel */
    LION_INCORRECT,       /* the caller's input is wrong */
    LION_FORBIDDEN,       /* not allowed */
    LION_UNSUPPORTED,     /* not built */
    LION_NOT_FOUND,       /* no such thing */
    LION_CONFLICT,        /* lost against other data */
    LION_FAULT,           /* ours, or the disk's */
    LION_BUSY             /* overloaded: back off */
} lion_category;

/* The caller's; holds no heap; written only on a status < 0. */
typedef struct lion_error {
    int32_t category;                      /* lion_category; 0 when unset */
    int32_t system_code;                   /* errno or LMDB's code, 0 if none */
    int64_t clause;                        /* query errors: clause position, -1 if none */
    char code[LION_ERROR_CODE_SIZE];       /* stable: "lion/…" or "db.error/…" */
    char message[LION_ERROR_MESSAGE_SIZE]; /* what was given, where, what would be right */
} lion_error;

/* The category's name as users see it: "not-found". */
LION_API const char *lion_category_name(int32_t category);

/* ---- arenas: memory of one piece of work, freed in one stroke ----
 * Allocation never returns NULL for sizes up to LION_ARENA_SCRATCH: when the system refuses memory, the
 * arena latches that, and the function that was working in it answers lion/out-of-memory. Under
 * AddressSanitizer memory that was given back is poisoned. */

#define LION_ARENA_SCRATCH 65536

#define LION_ARENA_RELEASED 6 /* sizes of blocks that are used again, each twice the one before */

typedef struct lion_arena {
    struct lion_arena_chunk *chunk; /* the newest; older ones are linked behind it */
    uint8_t *next, *end;            /* free room in the newest chunk */
    struct lion_arena_large *large; /* blocks by themselves, the newest; others behind it */
    uint64_t large_count;           /* of those there ever were */
    struct lion_arena_released *released[LION_ARENA_RELEASED]; /* smaller ones that nobody wants any longer */
    size_t used, peak;              /* bytes in all of them now; and of those that were handed out, at most */
    size_t budget;                  /* 0: none */
    struct lion_arena_ending *endings; /* what is to be done when the memory goes, the newest first */
    bool is_exhausted;              /* the system refused memory once */
} lion_arena;

/* budget in bytes, 0: none. It is soft: looked at once a step, lion/limit (interrupted). No memory yet. */
LION_API void lion_arena_init(lion_arena *arena, size_t budget);
LION_API void lion_arena_deinit(lion_arena *arena);
/* Everything goes; one chunk is kept for the next use (a loop that resets calls no malloc). */
LION_API void lion_arena_reset(lion_arena *arena);
/* size bytes, aligned to 16, not zeroed. NULL only if a request over LION_ARENA_SCRATCH failed. */
LION_API void *lion_arena_alloc(lion_arena *arena, size_t size);
LION_API lion_slice lion_arena_copy(lion_arena *arena, lion_slice bytes);
/* LION_OK, or lion/out-of-memory (unavailable), or lion/limit (interrupted) past the budget. */
LION_API lion_status lion_arena_check(const lion_arena *arena, lion_error *error);

/* ---- slices and values ---- */

static inline lion_slice lion_slice_of(const void *data, size_t size)
{
    lion_slice slice = { (const uint8_t *)data, size };
    return slice;
}

/* Of a C string, without its final zero. */
static inline lion_slice lion_slice_text(const char *text)
{
    return lion_slice_of(text, strlen(text));
}

static inline lion_value lion_value_scalar(lion_type type, int64_t bits)
{
    lion_value value;
    memset(&value, 0, sizeof value);
    value.type = (uint8_t)type;
    value.bits = bits;
    return value;
}

static inline lion_value lion_value_nil(void) { return lion_value_scalar(LION_TYPE_NIL, 0); }
static inline lion_value lion_value_long(int64_t x) { return lion_value_scalar(LION_TYPE_LONG, x); }
static inline lion_value lion_value_ref(int64_t id) { return lion_value_scalar(LION_TYPE_REF, id); }
static inline lion_value lion_value_boolean(bool x)
{
    return lion_value_scalar(LION_TYPE_BOOLEAN, x);
}

static inline lion_value lion_value_double(double x)
{
    lion_value value = lion_value_scalar(LION_TYPE_DOUBLE, 0);
    value.number = x;
    return value;
}

/* The bytes are borrowed. */
static inline lion_value lion_value_bytes(lion_type type, lion_slice bytes)
{
    lion_value value = lion_value_scalar(type, 0);
    value.size = (uint32_t)bytes.size;
    value.data = bytes.data;
    return value;
}

/* A string value of a C string, borrowed. */
static inline lion_value lion_value_string(const char *text)
{
    return lion_value_bytes(LION_TYPE_STRING, lion_slice_text(text));
}

static inline lion_slice lion_value_slice(lion_value value)
{
    return lion_slice_of(value.data, value.size);
}

/* The total order of values, <0, 0, >0. Inside one type integers by value, doubles by IEEE total order with
 * NaN last and -0 equal to 0, bytes by memcmp then length, false before true. Across types: NIL < BOOLEAN <
 * numbers (LONG DOUBLE INSTANT REF ATTRIBUTE, by value, exactly) < STRING < KEYWORD < SYMBOL < URI < UUID <
 * BYTES < TUPLE. */
LION_API int lion_value_compare(lion_value a, lion_value b);
/* Equality as queries mean it: numbers by value across types, the rest by type and bytes. NaN equals NaN. */
LION_API bool lion_value_equal(lion_value a, lion_value b);
/* Equal values hash alike (2 and 2.0 too). */
LION_API uint64_t lion_value_hash(lion_value value);
/* A copy whose bytes live in the arena. */
LION_API lion_value lion_value_copy(lion_arena *arena, lion_value value);
/* EDN-like, for people: keywords with colon, strings bare, uuids canonical, instants RFC 3339, doubles
 * shortest round trip ("2.0"). Zero-terminated, in the arena. */
LION_API char *lion_value_text(lion_arena *arena, lion_value value);
/* "db.type/string" for LION_TYPE_STRING. */
LION_API const char *lion_type_name(lion_type type);

/* Tuples: slots as one TUPLE value in the arena, and back (bytes may be borrowed from the tuple). */
LION_API lion_value lion_tuple_make(lion_arena *arena, const lion_value *slots, size_t count);
LION_API lion_status lion_tuple_read(lion_value **slots_out, size_t *count_out, lion_value tuple,
                                     lion_arena *arena, lion_error *error);

/* RFC 3339 (date alone, or date-time with optional fraction and offset) ↔ ms. LION_ABSENT if malformed. */
LION_API lion_status lion_instant_parse(int64_t *instant_ms_out, lion_slice text);
LION_API void lion_instant_format(char out[32], int64_t instant_ms); /* "2026-01-01T00:00:00.000Z" */
/* Canonical uuid text, any case. LION_ABSENT if malformed. */
LION_API lion_status lion_uuid_parse(uint8_t out[16], lion_slice text);
LION_API void lion_uuid_format(char out[37], const uint8_t uuid[16]);
/* A new one, RFC 9562 version 7: time-ordered. */
LION_API void lion_uuid7(uint8_t out[16]);

static inline lion_value lion_vector_get(const lion_vector *vector, size_t row)
{
    size_t index = vector->is_constant ? 0 : row;
    if (vector->type <= LION_TYPE_ATTRIBUTE)
        return lion_value_scalar((lion_type)vector->type, vector->bits[index]);
    return vector->values[index];
}

/* Of a batch with all columns. */
static inline lion_datom lion_datom_batch_get(const lion_datom_batch *batch, size_t row)
{
    lion_datom datom;
    memset(&datom, 0, sizeof datom);
    datom.e = batch->e[row];
    datom.a = batch->a[row];
    datom.v = lion_vector_get(&batch->v, row);
    datom.tx = batch->tx[row];
    datom.added = batch->added[row] != 0;
    return datom;
}

/* Ids lie below 2^53: partition << 42 | counter. Transactions are entities of partition 3: t counts them. */
#define LION_COUNTER_BITS 42
#define LION_PARTITION_DB 0
#define LION_PARTITION_TX 3
#define LION_PARTITION_USER 4
#define LION_PARTITION_NAMED 8 /* the first that transactions install */

static inline int64_t lion_id_make(int64_t partition, int64_t counter)
{
    return partition << LION_COUNTER_BITS | counter;
}
static inline int64_t lion_id_partition(int64_t id) { return id >> LION_COUNTER_BITS; }
static inline int64_t lion_id_counter(int64_t id)
{
    return id & ((INT64_C(1) << LION_COUNTER_BITS) - 1);
}
static inline int64_t lion_t_to_tx(int64_t t) { return lion_id_make(LION_PARTITION_TX, t); }
static inline int64_t lion_tx_to_t(int64_t tx) { return lion_id_counter(tx); }

/* ---- forms ---- */

static inline lion_form lion_form_value(lion_value value)
{
    lion_form form;
    memset(&form, 0, sizeof form);
    form.value = value;
    return form;
}

static inline lion_form lion_form_long(int64_t x) { return lion_form_value(lion_value_long(x)); }
static inline lion_form lion_form_double(double x) { return lion_form_value(lion_value_double(x)); }
static inline lion_form lion_form_boolean(bool x) { return lion_form_value(lion_value_boolean(x)); }
static inline lion_form lion_form_ref(int64_t id) { return lion_form_value(lion_value_ref(id)); }
static inline lion_form lion_form_instant(int64_t instant_ms)
{
    return lion_form_value(lion_value_scalar(LION_TYPE_INSTANT, instant_ms));
}
/* The text is borrowed: it must live as long as the form. */
static inline lion_form lion_form_string(const char *text)
{
    return lion_form_value(lion_value_string(text));
}
static inline lion_form lion_form_keyword(const char *name) /* "status/paid", no colon */
{
    return lion_form_value(lion_value_bytes(LION_TYPE_KEYWORD, lion_slice_text(name)));
}

/* Room for count items, for 2*count items (key, value, key, value …): zeroed, to be filled by the caller. */
LION_API lion_form lion_form_vector(lion_arena *arena, size_t count);
LION_API lion_form lion_form_map(lion_arena *arena, size_t count);
/* A vector of copies of the items (their children are shared). */
LION_API lion_form lion_form_list(lion_arena *arena, const lion_form *items, size_t count);

/* One key of a map form: an attribute and its value, a keyword of a pull pattern. */
typedef struct lion_entry {
    const char *key; /* borrowed: lives as long as the form */
    lion_form value;
} lion_entry;

/* A map with these string keys. As transaction data: { "db/id", … }, { "person/name", … }. */
LION_API lion_form lion_form_entries(lion_arena *arena, const lion_entry *entries, size_t count);
/* A vector of two that is a lookup ref: the entity whose unique attribute has the value. */
LION_API lion_form lion_form_lookup(lion_arena *arena, const char *attribute, lion_form value);
/* The operation [:db/add e a v], and [:db/retract e a v]. */
LION_API lion_form lion_form_add(lion_arena *arena, lion_form e, const char *attribute, lion_form v);
LION_API lion_form lion_form_retract(lion_arena *arena, lion_form e, const char *attribute,
                                     lion_form v);

/* A vector that grows. lion_form_list(arena, forms.items, forms.count) is it as a form. */
typedef struct lion_forms {
    lion_arena *arena;
    lion_form *items;
    uint32_t count, capacity;
} lion_forms;
LION_API void lion_forms_add(lion_forms *forms, lion_form item);

/* Readers. NULL where the form is not a map or has no such key (string or keyword). */
LION_API const lion_form *lion_form_get(const lion_form *map, const char *key);
/* NULL where the form is no vector (or set) or the index is out of range. */
LION_API const lion_form *lion_form_at(const lion_form *vector, size_t index);
/* A string or keyword equal to `text`. */
LION_API bool lion_form_is_text(const lion_form *form, const char *text);
LION_API bool lion_form_as_long(const lion_form *form, int64_t *out);
LION_API bool lion_form_as_slice(const lion_form *form, lion_slice *out); /* string, keyword, symbol */
LION_API lion_form lion_form_copy(lion_arena *arena, const lion_form *form); /* deep */
/* EDN-like, for messages; cut at ~400 bytes. In the arena. */
LION_API char *lion_form_text(lion_arena *arena, const lion_form *form);

/* ---- schema ---- */

typedef enum lion_unique {
    LION_UNIQUE_NONE = 0,
    LION_UNIQUE_VALUE = 1,
    LION_UNIQUE_IDENTITY = 2
} lion_unique;

typedef struct lion_attribute {
    uint32_t id;
    uint8_t type;   /* lion_type */
    uint8_t unique; /* lion_unique */
    bool is_many;
    bool is_component;
    bool is_indexed; /* in AVET for users: not bytes, not db/index false */
    bool is_in_avet; /* has an AVET tree: is_indexed or ref */
    bool no_history;
    uint8_t tuple_kind;     /* 0 none, 1 composite (tupleAttrs), 2 heterogeneous, 3 homogeneous */
    uint8_t tuple_count;    /* slots of 1 and 2 */
    uint8_t tuple_types[8]; /* per slot; [0] for homogeneous */
    uint32_t tuple_attributes[8];
    lion_slice ident;       /* "person/name", owned by the schema */
    lion_slice *predicates; /* names of attribute predicates */
    uint32_t predicate_count;
    uint32_t composite_count;   /* composite tuples this attribute is a member of … */
    const uint32_t *composites; /* … by id */
} lion_attribute;

/* What a database knows of its attributes and names: an immutable value, shared by all database values
 * between two schema changes. What it hands out lives as long as it. */
typedef struct lion_schema lion_schema;

/* NULL if there is no such attribute. An attribute's id never changes, so programs look names up once. */
LION_API const lion_attribute *lion_schema_attribute(const lion_schema *schema, int64_t id);
/* By name, "person/name" or ":person/name" (old names of renamed idents too). */
LION_API const lion_attribute *lion_schema_attribute_named(const lion_schema *schema,
                                                           lion_slice name);
/* All attributes, ascending by id. */
LION_API const lion_attribute *const *lion_schema_attributes(const lion_schema *schema,
                                                             uint32_t *count_out);
/* Ident of any entity → id: LION_OK or LION_ABSENT. A leading colon is accepted. */
LION_API lion_status lion_schema_entid(int64_t *id_out, const lion_schema *schema, lion_slice name);
/* The newest ident of an entity, without colon: LION_OK or LION_ABSENT. */
LION_API lion_status lion_schema_ident(lion_slice *name_out, const lion_schema *schema, int64_t id);

/* ---- connections ---- */

typedef struct lion_connection lion_connection;
typedef struct lion_db lion_db;

typedef enum lion_durability {
    LION_DURABILITY_FULL = 0,     /* a transaction waits for its fdatasync */
    LION_DURABILITY_INTERVAL = 1, /* a thread syncs every interval_ms; transactions do not wait */
    LION_DURABILITY_NONE = 2      /* written at the latest every 100 ms, never synced but at close */
} lion_durability;

typedef struct lion_connection_options {
    uint8_t durability;   /* lion_durability */
    uint32_t interval_ms; /* 0: 100 */
    bool read_only;       /* beside a live owner: as it stood at opening; sync moves it. Beside another handle of the
                             process: that one's database, but this handle does not write */
    bool no_create;       /* not-found instead of a new database */
    uint64_t novelty_max; /* bytes; 0: 256 MiB. An index job starts at half of it */
    uint64_t map_size;    /* bytes of address space, 0: chosen by the store */
    uint32_t segment_size; /* 0: default; specs use tiny ones */
    uint32_t node_entries; /* of novelty; 0: default */
    uint32_t datoms_max;   /* of a transaction; 0: LION_TX_DATOMS_MAX */
    uint32_t roots_max;    /* kept for values; 0: 8, which is the most */
} lion_connection_options;

/* uri: "mem:" (private), "mem:name" (shared in the process) or a path to NAME.lion. options may be NULL. A
 * second opening in the process is another handle on the same open database. lion/locked (unavailable) names
 * the process that has the file; lion/version, lion/not-found. */
LION_API lion_status lion_connection_open(lion_connection **connection_out, const char *uri,
                                          const lion_connection_options *options,
                                          lion_error *error);
/* The last handle of a database closes it: waits for the index job, and of a file that was written indexes
 * the tail and empties it. All its database values must have been dropped. The handle is gone in any case. */
LION_API lion_status lion_connection_close(lion_connection *connection, lion_error *error);
LION_API const char *lion_connection_uri(const lion_connection *connection);

/* The newest durable value; to be dropped by the caller. Cheap: a lock and a reference. */
LION_API lion_status lion_connection_db(lion_db **db_out, lion_connection *connection,
                                        lion_error *error);
/* Wait until t is durable and visible here (t <= 0: everything acknowledged so far). A reader beside a live
 * owner reads anew what that has written. timeout_ms 0: none; lion/timeout. */
LION_API lion_status lion_connection_sync(lion_db **db_out, lion_connection *connection, int64_t t,
                                          int64_t timeout_ms, lion_error *error);
/* Have the disk take all that is applied, and wait for it: what was transacted without_committing. After a failure
 * nothing is written any more, as after one of lion_connection_sync. */
LION_API lion_status lion_connection_commit(lion_connection *connection, lion_error *error);

/* For values that are held while others write. A value keeps the root it was made on, and so the room of all that was
 * replaced since; the connection wants only the newest roots kept (8 at most, fewer when their novelty is large). If *db
 * stands on an older one, *db is dropped and becomes the same value on the newest root; else nothing happens, nor
 * to a speculative value, nor to one from before an index job that dropped rows of attributes with db/noHistory. Nobody
 * else may read through this reference meanwhile. */
LION_API lion_status lion_connection_rebase(lion_db **db, lion_connection *connection, lion_error *error);

/* Run an index job now; *t_out: the trees cover everything up to it. Waits for a running one first. */
LION_API lion_status lion_connection_index(int64_t *t_out, lion_connection *connection,
                                           lion_error *error);
/* A live copy with everything durable now, as one clean file. */
LION_API lion_status lion_connection_backup(lion_connection *connection, const char *path,
                                            lion_error *error);
/* Put a backup in place as a new database file (refuses an existing one). */
LION_API lion_status lion_connection_restore(const char *backup, const char *path, lion_error *error);
/* Remove a database's files (refuses an open one). */
LION_API lion_status lion_connection_delete(const char *path, lion_error *error);

typedef struct lion_connection_stats {
    int64_t basis_t, indexed_t;
    uint64_t datoms; /* current */
    uint64_t novelty_datoms, novelty_bytes, tail_bytes, file_bytes, segments;
    uint64_t transactions; /* since opening */
    uint64_t index_jobs, index_ms;
    bool is_indexing;           /* a job is under way */
    uint64_t kept_leaves, kept_bytes; /* of the newest root, in this process: leaves that stay open for look-ups; these
                                   and overlays in bytes. The file's own pages are the system's to cache */
    uint64_t syncs, sync_ns;    /* groups of the tail that went to the disk since opening, and what that took */
} lion_connection_stats;
LION_API lion_status lion_connection_stats_read(lion_connection_stats *stats_out,
                                                lion_connection *connection, lion_error *error);

/* ---- transactions ----
 * Transaction data is a vector of operations: maps ({ "person/name", … }, keys are attributes; "db/id" an
 * id, a string as temporary id, a lookup ref, or left out) and vectors ([:db/add e a v], [:db/retract e a
 * v], [:db/retractEntity e], [:db/cas e a old new], [module/function …]). A cardinality-many value is a
 * vector. Attributes are themselves entities with db/ident, db/valueType, db/cardinality …: schema is data.
 * Anomalies keep Datomic's codes (db.error/unique-conflict, db.error/cas-failed, …). */

typedef struct lion_tempid {
    lion_slice name;
    int64_t id;
} lion_tempid;

typedef struct lion_transaction {
    int64_t t;
    int64_t instant_ms;
    int64_t next_counter; /* the id counter after it */
    lion_datom *datoms;   /* as recorded, db/txInstant included; tx of all is lion_t_to_tx(t) */
    uint32_t datom_count;
    bool has_id; /* of a retry-safe transaction */
    uint8_t id[16];
    lion_tempid *tempids; /* in the log: kept for transactions with an id only */
    uint32_t tempid_count;
} lion_transaction;

typedef struct lion_report {
    lion_db *db_before, *db_after; /* borrowed from the holder of the report: keep them to have them longer */
    lion_transaction transaction;  /* bytes live as long as the report */
    int64_t tx;
} lion_report;

typedef struct lion_tx_options {
    int64_t now_ms; /* the transactor's clock, 0: the wall's */
    bool has_id;    /* a retry-safe transaction: the same id again answers the first one's report */
    uint8_t id[16];
    bool without_values; /* db_before and db_after of the report are NULL: cheaper where many commit together */
    bool without_waiting; /* done when applied, before the disk; without_values. lion_connection_sync to its t waits
                             for the disk, and answers the error if it failed */
    bool without_committing; /* with without_waiting: the disk is not begun to be written either; who has put in all
                                that came together calls lion_connection_commit */
    int64_t timeout_ms; /* for all that comes before it is applied: its turn, its functions; 0: none. lion/timeout
                           (interrupted): nothing was written. What is applied is waited for */
    uint32_t datoms_max;     /* 0: LION_TX_DATOMS_MAX; lion/transaction-too-large */
    uint32_t expansions_max; /* calls of functions; 0: LION_TX_EXPANSIONS_MAX (lion/limit) */
} lion_tx_options;

/* One transaction under way. It holds the writer's lock from opening until it is applied. */
typedef struct lion_transacting lion_transacting;

/* The whole of it, for transactions that call no functions of the host (unsupported, lion/not-found else).
 * Durable when it returns. *transacting_out, to be closed, holds the report; NULL: nobody wants it (then it is
 * without_values). */
LION_API lion_status lion_transact(lion_transacting **transacting_out, lion_connection *connection,
                                   const lion_form *ops, const lion_tx_options *options,
                                   lion_error *error);

/* Takes the writer's lock (queues: busy when novelty is full and cannot be indexed in time) and begins. ops
 * must outlive it; options may be NULL. forbidden, lion/read-only. */
LION_API lion_status lion_transacting_open(lion_transacting **transacting_out,
                                           lion_connection *connection, const lion_form *ops,
                                           const lion_tx_options *options, lion_error *error);
/* LION_OK: applied and durable (by the chosen durability); take the report. LION_CALL: answer, step again. A
 * repeated transaction id answers LION_OK with the first report's t, tx and tempids, and no datoms. */
LION_API lion_status lion_transacting_step(lion_transacting *transacting, lion_error *error);
LION_API lion_call *lion_transacting_call(lion_transacting *transacting);
/* After LION_OK: the report, owned by the handle until close. */
LION_API const lion_report *lion_transacting_report(const lion_transacting *transacting);
/* Releases the lock if it still holds it (an abort). NULL is allowed. */
LION_API void lion_transacting_close(lion_transacting *transacting);
/* The id that a temporary id became; -1 if the transaction knew none of that name. */
LION_API int64_t lion_transaction_tempid(const lion_transaction *transaction, const char *name);

/* A transaction as a pure function, (db, tx data) → datoms, that writes nothing: what would be. Everything
 * lives in the arena; db and ops must outlive it. */
typedef struct lion_tx lion_tx;

typedef struct lion_tx_result {
    lion_transaction transaction; /* t, instant, datoms (arena), tempids (all of them), next_counter */
    const uint8_t *is_in_avet;    /* per datom */
    lion_schema *schema_after;    /* owned by the lion_tx */
    bool is_schema_changed;
    uint32_t newly_indexed_count; /* attributes that gained AVET by db/index or db/unique */
    const uint32_t *newly_indexed;
} lion_tx_result;

LION_API lion_status lion_tx_open(lion_tx **tx_out, const lion_db *db, const lion_form *ops,
                                  const lion_tx_options *options, lion_arena *arena,
                                  lion_error *error);
/* LION_OK: done, the result stands. LION_CALL: answer lion_tx_call, step again. */
LION_API lion_status lion_tx_step(lion_tx *tx, lion_error *error);
LION_API lion_call *lion_tx_call(lion_tx *tx);
LION_API const lion_tx_result *lion_tx_result_view(const lion_tx *tx); /* after LION_OK of step */
LION_API void lion_tx_close(lion_tx *tx);
/* db with the result on top, unpublished; to be dropped by the caller. */
LION_API lion_status lion_db_with(lion_db **db_out, lion_db *db, const lion_tx_result *result,
                                  lion_error *error);

/* ---- the log ---- */

/* Transactions with from <= t < to (to <= 0: none), oldest first, of the durable ones at opening. */
typedef struct lion_tx_range lion_tx_range;
LION_API lion_status lion_tx_range_open(lion_tx_range **range_out, lion_connection *connection,
                                        int64_t from, int64_t to, lion_error *error);
/* Valid until the next step. LION_END. */
LION_API lion_status lion_tx_range_next(lion_tx_range *range, lion_transaction *transaction_out,
                                        lion_error *error);
LION_API void lion_tx_range_close(lion_tx_range *range);
/* The same of the log as it was at the value's basis: what a value shows or hides does not matter. The range keeps db. */
LION_API lion_status lion_db_tx_range(lion_tx_range **range_out, lion_db *db, int64_t from, int64_t to,
                                      lion_error *error);

/* ---- database values ----
 * Immutable, shared by reference count, readable from any thread. A value must be dropped before its
 * connection's last handle is closed. */

LION_API lion_db *lion_db_keep(lion_db *db);
LION_API void lion_db_drop(lion_db *db); /* NULL is allowed */

typedef struct lion_db_info {
    int64_t basis_t;
    int64_t as_of_t; /* -1: none */
    int64_t since_t; /* -1: none */
    int64_t next_counter;
    int64_t instant_ms; /* db/txInstant of the basis */
    uint64_t database;  /* identifies the open database in the process */
    bool is_history, is_filtered;
} lion_db_info;
LION_API lion_db_info lion_db_info_of(const lion_db *db);
LION_API const lion_schema *lion_db_schema(const lion_db *db); /* borrowed */
/* The same database, the same view. */
LION_API bool lion_db_equal(const lion_db *a, const lion_db *b);

/* Other values from a value, each to be dropped by the caller. A filter is asked by LION_CALL_FILTER with the
 * handle given here; at most LION_VIEW_FILTERS_MAX of them. */
LION_API lion_status lion_db_as_of(lion_db **db_out, lion_db *db, int64_t t, lion_error *error);
LION_API lion_status lion_db_since(lion_db **db_out, lion_db *db, int64_t t, lion_error *error);
LION_API lion_status lion_db_history(lion_db **db_out, lion_db *db, lion_error *error);
LION_API lion_status lion_db_filter(lion_db **db_out, lion_db *db, int64_t host_function,
                                    lion_error *error);
/* The same data seen from an earlier transaction's end: basis_t = t. */
LION_API lion_status lion_db_at_basis(lion_db **db_out, lion_db *db, int64_t t,
                                      int64_t next_counter, int64_t instant_ms, lion_error *error);
/* t of a point: an INSTANT (or RFC 3339 text), or a number (below 1e11 a t; from 3<<42 a tx; else instant
 * ms): the newest t whose db/txInstant is not later, 0 when before all. */
LION_API lion_status lion_db_point(int64_t *t_out, const lion_db *db, lion_value point,
                                   lion_arena *arena, lion_error *error);
/* t of a point of the log, where transactions begin: of an instant the first that is not earlier. */
LION_API lion_status lion_db_log_point(int64_t *t_out, const lion_db *db, lion_value point,
                                       lion_arena *arena, lion_error *error);

/* ---- single facts, by attribute id (no allocation on ordinary values) ----
 * On a filtered value they read what the filter is given, on a history what is current. */

/* The entity whose attribute has the value, which must be of the attribute's type: the first of them if the
 * attribute is not unique. LION_OK, LION_ABSENT, db.error/attribute-not-indexed, lion/unknown-attribute. */
LION_API lion_status lion_db_lookup(int64_t *id_out, const lion_db *db, uint32_t attribute,
                                    lion_value value, lion_error *error);
/* The (first) values of count attributes of an entity; NIL where it has none. */
LION_API lion_status lion_db_get(lion_value *values_out, const lion_db *db, int64_t entity,
                                 const uint32_t *attributes, uint32_t count, lion_error *error);

/* The same over and over on one value: what does not change from one to the next is found out once. key (0: none)
 * is the attribute that entities are found by. Lives in the arena; db must outlive it; one thread at a time.
 * Errors as lion_db_lookup. */
typedef struct lion_facts lion_facts;
LION_API lion_status lion_facts_open(lion_facts **facts_out, const lion_db *db, uint32_t key,
                                     const uint32_t *attributes, uint32_t count, lion_arena *arena,
                                     lion_error *error);
/* The entity whose key is the value: LION_OK, LION_ABSENT. */
LION_API lion_status lion_facts_find(int64_t *id_out, lion_facts *facts, lion_value value,
                                     lion_error *error);
/* The (first) values of the entity's attributes, in the order they were given; NIL where it has none. */
LION_API lion_status lion_facts_get(lion_value *values_out, lion_facts *facts, int64_t entity,
                                    lion_error *error);

/* ---- finding entities ---- */

/* id, ident (keyword, or string starting with a colon), lookup ref (vector of two; db.error/
 * lookup-ref-attr-not-unique). LION_OK, LION_ABSENT (a name or ref without entity), or an error. An id is
 * never checked for existence. */
LION_API lion_status lion_db_entid(int64_t *id_out, const lion_db *db, const lion_form *entity,
                                   lion_arena *arena, lion_error *error);
/* An attribute given as name, keyword or id; lion/unknown-attribute names the nearest known one. */
LION_API lion_status lion_db_attribute(const lion_attribute **attribute_out, const lion_db *db,
                                       const lion_form *attribute, lion_error *error);
/* A form as a value of the attribute: coercion, refs resolved by entid (ABSENT: db.error/not-an-entity),
 * tuples encoded and checked (db.error/invalid-tuple-value), wrong types:
 * db.error/wrong-type-for-attribute. */
LION_API lion_status lion_db_value(lion_value *value_out, const lion_db *db,
                                   const lion_attribute *attribute, const lion_form *form,
                                   lion_arena *arena, lion_error *error);

/* ---- datoms of an index ---- */

typedef struct lion_cursor lion_cursor;

typedef struct lion_cursor_options {
    uint32_t columns; /* lion_datom_columns */
    bool is_reverse;
    bool is_seek;         /* start at the components and run to the end of the index */
    bool is_in_attribute; /* with is_seek on AEVT/AVET: stop where the attribute ends */
    bool is_any_order;    /* AEVT/AVET: rows may come in any order, which can cost less; the next
                           * cursor on the same value may have another one */
    bool is_retractions;  /* AEVT/AVET: only retractions are wanted; assertions may be left out */
    const lion_value *end_v; /* AVET with a, is_seek: only rows before this value, walked either way;
                              * borrowed until the cursor's end; NULL: none */
    uint32_t batch_rows; /* of the first batch, 0: LION_BATCH_ROWS; small ones make point reads cheap */
} lion_cursor_options;

/* Datoms whose first components, in the order of the index, are these forms (attributes by name or id,
 * entities as lion_db_entid takes them). They come in the order of the index, of one fact the newest first, whatever
 * the value is read from; is_reverse: from the end on. options NULL: all columns. LION_ABSENT: a name resolves to
 * nothing, so nothing can match. db.error/attribute-not-indexed for AVET of an unindexed attribute. The cursor lives
 * in the arena and needs no closing; db must outlive it. */
LION_API lion_status lion_db_datoms(lion_cursor **cursor_out, const lion_db *db, lion_index index,
                                    const lion_form *components, size_t count,
                                    const lion_cursor_options *options, lion_arena *arena,
                                    lion_error *error);
/* LION_OK with at least one row; LION_END; LION_CALL: answer lion_cursor_call, then step again. */
LION_API lion_status lion_cursor_next(lion_cursor *cursor, lion_datom_batch *batch_out,
                                      lion_error *error);
LION_API lion_call *lion_cursor_call(lion_cursor *cursor);
/* Their number, exactly, without a scan on ordinary values. LION_ABSENT: the value is filtered, so its datoms
 * must be looked at. */
LION_API lion_status lion_db_count(uint64_t *count_out, const lion_db *db, lion_index index,
                                   const lion_form *components, size_t count, lion_arena *arena,
                                   lion_error *error);

/* ---- pull ----
 * A pattern is a vector of specs, each a map with string keys:
 *
 *   { attr = "person/name" (no colon, no underscore) | "*" | "db/id", reverse = 0|1, as = key form?,
 *     limit = n (-1: none), default = form?, xform = "str"|"module/function"?, pattern = [spec…]?,
 *     recursion = n (-1: without end)? }
 *
 * The result of one entity is a map form (keys are string values, or what `as` says), or NIL where it has
 * nothing of the pattern. Cardinality-many values are cut at 1000 unless `limit` says otherwise, components
 * come whole, refs as { db/id, db/ident? }. Recursion is cycle-safe. Not on history (incorrect). */

typedef struct lion_pull_pattern lion_pull_pattern;
typedef struct lion_pull lion_pull;

/* [{attr = name} …]: these attributes. The names are borrowed. */
LION_API lion_form lion_form_pattern(lion_arena *arena, const char *const *attributes, size_t count);
/* One entity, whole: for patterns and values that call no functions of the host (unsupported else). The result
 * lies in the arena. */
LION_API lion_status lion_db_pull(lion_form *result_out, const lion_db *db, const lion_form *pattern,
                                  int64_t entity, lion_arena *arena, lion_error *error);

/* incorrect, lion/syntax, for a malformed pattern; unknown attributes match nothing. The form must outlive the
 * pattern, which lives in the arena. */
LION_API lion_status lion_pull_pattern_read(lion_pull_pattern **pattern_out, const lion_form *form,
                                            lion_arena *arena, lion_error *error);
/* Pull count entities in one batch; results land in the arena. db must outlive the pull. */
LION_API lion_status lion_pull_open(lion_pull **pull_out, const lion_pull_pattern *pattern,
                                    const lion_db *db, const int64_t *entities, size_t count,
                                    lion_arena *arena, lion_error *error);
/* LION_OK: done, results stand. LION_CALL (xform, filter): answer lion_pull_call, step again. */
LION_API lion_status lion_pull_step(lion_pull *pull, lion_error *error);
LION_API lion_call *lion_pull_call(lion_pull *pull);
/* count forms, one an entity, in the order given. */
LION_API const lion_form *lion_pull_results(const lion_pull *pull);

/* ---- queries ----
 *   lion_query      a query, checked; immutable, shared by reference count, any thread
 *   lion_query_run  one execution: its memory, its bounds; one thread at a time */

typedef struct lion_query lion_query;
typedef struct lion_query_run lion_query_run;

typedef enum lion_find_kind {
    LION_FIND_RELATION,
    LION_FIND_COLLECTION,
    LION_FIND_TUPLE,
    LION_FIND_SCALAR
} lion_find_kind;

/* A query built in C. Terms are forms: lion_var("?x") a variable (lion_var("_") a blank), anything else a
 * constant; names of attributes are C strings. Its one source is the first input; the inputs named by
 * lion_query_in follow in order. Clauses may come in any order.
 *
 *   lion_query_builder q;
 *   lion_query_builder_init(&q, &arena);
 *   lion_query_where(&q, lion_var("?p"), "person/name", lion_var("?name"));
 *   lion_query_where(&q, lion_var("?p"), "person/age", lion_var("?age"));
 *   lion_query_predicate(&q, ">=", (lion_form[]){ lion_var("?age"), lion_var("?min") }, 2);
 *   lion_query_in(&q, "?min");
 *   lion_query_find(&q, "?name");
 *   status = lion_query_build(&query, &q, &error);
 */
typedef struct lion_query_builder {
    lion_forms vars, inputs, where, find, order;
    int64_t limit, offset; /* -1, 0: none */
} lion_query_builder;

static inline lion_form lion_var(const char *name)
{
    return lion_form_value(lion_value_bytes(LION_TYPE_SYMBOL, lion_slice_text(name)));
}

/* The arena and all texts must live until lion_query_build. */
LION_API void lion_query_builder_init(lion_query_builder *builder, lion_arena *arena);
/* [e attribute v] */
LION_API void lion_query_where(lion_query_builder *builder, lion_form e, const char *attribute,
                               lion_form v);
/* [e a v tx added] with any terms, as many as there are. */
LION_API void lion_query_pattern(lion_query_builder *builder, const lion_form *terms, size_t count);
/* [(name arguments…)] and [(name arguments…) out], built-in ("<", "starts-with?", "+", …) or of the host. */
LION_API void lion_query_predicate(lion_query_builder *builder, const char *name,
                                   const lion_form *arguments, size_t count);
LION_API void lion_query_function(lion_query_builder *builder, const char *out, const char *name,
                                  const lion_form *arguments, size_t count);
/* An input bound to a variable: a scalar, or each item of a vector. */
LION_API void lion_query_in(lion_query_builder *builder, const char *variable);
LION_API void lion_query_in_each(lion_query_builder *builder, const char *variable);
/* The next column of the result: a variable, or an aggregate over it ("count", "sum", "max" …). */
LION_API void lion_query_find(lion_query_builder *builder, const char *variable);
LION_API void lion_query_find_aggregate(lion_query_builder *builder, const char *aggregate,
                                        const char *variable);
/* Order by a found variable; several: the first counts most. */
LION_API void lion_query_order(lion_query_builder *builder, const char *variable, bool is_descending);
/* The query, to be dropped. incorrect, lion/syntax; what no clause binds is told when it is opened. */
LION_API lion_status lion_query_build(lion_query **query_out, lion_query_builder *builder,
                                      lion_error *error);

/* A query as the front ends hand it down (rules, not, or, nested queries, pulls …): names resolved to numbers,
 * nothing left to parse. In the layout [ … ] is a vector, { k = … } a map with string keys; numbers are longs;
 * everything counts from 0.
 *
 *   query   { vars = ["?e", "?n", …]        names by variable number, for messages and explain
 *             sources = n                   number of source inputs
 *             find = { kind = "relation"|"collection"|"tuple"|"scalar", elements = [element…],
 *                      keys = ["a"…]? }
 *             with = [var…]
 *             inputs = [input…]             in the order of the call's inputs
 *             where = [clause…]
 *             rules = [rule…]
 *             order = [[var, "asc"|"desc"]…]?   limit = n? (-1 none)   offset = n? }
 *   element ["var", v] | ["aggregate", name, [argument…]] (arguments: terms; the last is the variable)
 *           | ["pull", source, v, pattern]      a pull pattern, or ["input", i] when it comes as input i
 *   input   ["source", s] | ["pattern"] | ["rules"] | binding  (rules, patterns: the core ignores the value)
 *   binding ["scalar", v] | ["blank"] | ["tuple", [binding…]] | ["collection", binding]
 *           | ["relation", [binding…]]
 *   term    ["var", v] | ["const", value form] | ["blank"] | ["source", s]   (a log is a variable's value)
 *   clause  ["pattern", s, [term…1 to 5], text]           e a v tx op; on a plain relation: positions
 *           ["predicate", name, [term…], text]
 *           ["function", name, [term…], binding, text]
 *           ["query", query, [term…], binding, text]      nested q: its inputs are the terms
 *           ["not", [clause…], [var…], text]              var…: the variables shared with the outside
 *           ["or", [[clause…]…], [var…], [required var…], text]
 *           ["rule", r, [term…], text]                    r: index into rules
 *   rule    { name = "reach", source = s, head = [var…], required = [0|1…], vars = ["?x"…],
 *             branches = [[clause…]…] }  own variable numbering per rule: head vars are 0..arity-1 in
 *                                        order, the same in all branches; specialised per source
 *   text    the clause as written, for messages ("[?e :person/name ?n]")
 *
 * Constants: keywords are keyword values; numbers long or double; #inst is an instant value, #uuid a uuid
 * value. Built-in names arrive without a namespace; a user's function is "module/function". Regular
 * expressions are constants of type string. The form is copied. incorrect, lion/syntax. */
LION_API lion_status lion_query_new(lion_query **query_out, const lion_form *ir, lion_error *error);
LION_API lion_query *lion_query_keep(lion_query *query);
LION_API void lion_query_drop(lion_query *query); /* NULL is allowed */
/* How the rows are to be shaped: the core yields rows whatever the kind. */
LION_API int lion_query_find_kind(const lion_query *query); /* lion_find_kind */
LION_API const lion_slice *lion_query_keys(const lion_query *query, uint32_t *count_out); /* or NULL */
LION_API uint32_t lion_query_width(const lion_query *query);

/* Operators in whose place another one can stand, for plan_without and plan_with. */
typedef enum lion_query_operator {
    LION_PLAN_SCAN = 1 << 0,          /* columns as a cursor has them; else row by row */
    LION_PLAN_RANGE = 1 << 1,         /* a part of AVET that comparisons leave; else all of it */
    LION_PLAN_STAR = 1 << 2,          /* values gathered by entity; else look-ups */
    LION_PLAN_LOOKUP = 1 << 3,        /* runs of datoms by key (with: also where a star would do); else row by row */
    LION_PLAN_HASH_JOIN = 1 << 4,     /* a table of a pattern (with: from its first row); else look-ups */
    LION_PLAN_BUILD = 1 << 5,         /* two plans joined by hash; else one node after the other */
    LION_PLAN_MULTIWAY_JOIN = 1 << 6, /* a cycle at once; else pattern by pattern */
    LION_PLAN_COUNT = 1 << 7,         /* rows counted without being made */
    LION_PLAN_PATH_SEARCH = 1 << 8,   /* rules as searches; else tables */
    LION_PLAN_DISTINCT = 1 << 9,      /* each row once, before the end */
    LION_PLAN_CHECKPOINT = 1 << 10,   /* the rest planned again (with: always) */
    LION_PLAN_PARALLEL = 1 << 11,     /* a stretch shared out, if there are threads */
    LION_PLAN_SEMI_JOIN = 1 << 12,    /* semi-join, anti-join: keys in a set; else hash joins, and not and or batch by batch */
    LION_PLAN_RUNTIME_FILTER = 1 << 13, /* what a hash join's right side has, asked where the left's rows come from */
    LION_PLAN_MERGE_JOIN = 1 << 14,   /* two plans in the order of what they share; else in another way */
} lion_query_operator;

typedef struct lion_query_options {
    int64_t timeout_ms;    /* 0: none; lion/timeout (interrupted) */
    int64_t rows_max;      /* 0: none; lion/limit: rows of any intermediate result */
    uint64_t memory_max;   /* bytes of the run's arena, 0: none; lion/limit */
    uint64_t temp_max;     /* bytes of a temporary file, where tables go on beyond memory_max; 0: none is made; lion/limit */
    int64_t limit, offset; /* -1 / 0: as the query says; else they override */
    const volatile int *is_cancelled; /* NULL, or non-zero: interrupted, lion/cancelled */
    bool statistics;                  /* keep times and memory for explain */
    uint32_t plan_seed;               /* 0: the planner's choice; else any legal plan, by chance (for specs) */
    uint64_t table_rows_max;          /* 0: none; tables go on in the temporary file beyond so many rows (for specs) */
    uint32_t threads;                 /* that may work on the run, the caller's counted; 0, 1: it alone; 64 at most */
    uint32_t plan_without;            /* lion_query_operator bits: what no plan is to have … */
    uint32_t plan_with;               /* … and what it has wherever it may, whether it pays or not (for specs) */
} lion_query_options;

/* One input of a call: a database (db not NULL) or a form (scalar, collection, relation as source; a log). */
typedef struct lion_query_input {
    lion_db *db;    /* kept by the run */
    lion_form form; /* borrowed: must live until the run is closed */
} lion_query_input;

static inline lion_query_input lion_query_input_db(lion_db *db)
{
    lion_query_input input;
    memset(&input, 0, sizeof input);
    input.db = db;
    return input;
}

static inline lion_query_input lion_query_input_form(lion_form form)
{
    lion_query_input input;
    memset(&input, 0, sizeof input);
    input.form = form;
    return input;
}

/* The log of the value's database up to its basis, for tx-ids and tx-data; kept by the run. It binds a variable. */
static inline lion_query_input lion_query_input_log(lion_db *db)
{
    return lion_query_input_form(
        lion_form_value(lion_value_scalar(LION_TYPE_LOG, (int64_t)(intptr_t)db)));
}

/* options NULL: no bounds. db.error/insufficient-binding, lion/unknown-attribute … */
LION_API lion_status lion_query_open(lion_query_run **run_out, lion_query *query,
                                     const lion_query_input *inputs, size_t count,
                                     const lion_query_options *options, lion_error *error);

/* A find element (pull ?e pattern): its column holds entity ids (REF) to be pulled with lion_pull. */
typedef struct lion_query_pull {
    bool is_pull;             /* false: an ordinary column */
    const lion_db *db;        /* borrowed: lives as long as the run */
    const lion_form *pattern; /* of the query or the input; as long as those */
} lion_query_pull;

typedef struct lion_query_batch {
    uint32_t count;                /* rows */
    uint32_t width;                /* columns: find elements */
    const lion_vector *columns;    /* attributes are their idents, keyword values */
    const lion_form *const *forms; /* per column NULL, or count forms (aggregates that yield collections) */
    const lion_query_pull *pulls;  /* NULL when no element is a pull; else one per column */
} lion_query_batch;

/* LION_OK with 1..LION_BATCH_ROWS rows, valid until the next step; LION_END; LION_CALL. Where the query does not
 * order them, rows come in any order, which the same query of the same value need not repeat. */
LION_API lion_status lion_query_next(lion_query_run *run, lion_query_batch *batch_out,
                                     lion_error *error);
LION_API lion_call *lion_query_call(lion_query_run *run);
LION_API void lion_query_close(lion_query_run *run); /* NULL is allowed */

/* The plan as a form: { op, detail, rows_estimated, rows, time_ns, memory, width, children } and, where there is one, { index, range,
 * advice }; and as text. Into the arena. Actual rows are those of the steps taken so far; times (inclusive) and memory (bytes,
 * the operator's own) are kept with options.statistics alone. The root has what concerns the whole run: memory_peak and temp_peak
 * (bytes), checks (how often the bounds were looked at), and, with statistics, unchecked_ns, the longest processor time between two looks. */
LION_API lion_status lion_query_explain(lion_form *tree_out, char **text_out, lion_query_run *run,
                                        lion_arena *arena, lion_error *error);

#ifdef __cplusplus
}
#endif

#endif
