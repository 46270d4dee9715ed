/* push.c - values, datoms and forms as Lua values. */
#include "bind.h"

#include <string.h>

#include "data/decimal.h"
#include "data/tuple.h"

#define KEYWORD_BUFFER 256

void lion_bind_push_integer(lua_State *L, int64_t value)
{
    if (value >= -LION_BIND_NUMBER_MAX && value <= LION_BIND_NUMBER_MAX) {
        lua_pushnumber(L, (lua_Number)value);
        return;
    }
    lion_bind_push_slot(L, LION_BIND_INT64);
    lua_pushnumber(L, (lua_Number)(value >> 32));
    lua_pushnumber(L, (lua_Number)(value & 0xffffffff));
    lua_call(L, 2, 1);
}

void lion_bind_push_text(lua_State *L, lion_slice text)
{
    lua_pushlstring(L, text.size == 0 ? "" : (const char *)text.data, text.size);
}

static void push_keyword(lua_State *L, lion_slice name)
{
    char small[KEYWORD_BUFFER];
    if (name.size < sizeof small) {
        small[0] = ':';
        memcpy(small + 1, name.data, name.size);
        lua_pushlstring(L, small, name.size + 1);
        return;
    }
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addchar(&buffer, ':');
    luaL_addlstring(&buffer, (const char *)name.data, name.size);
    luaL_pushresult(&buffer);
}

static void push_tuple(lua_State *L, lion_value tuple, lion_bind_push push, lion_arena *scratch)
{
    lion_arena_mark mark = lion_arena_set_mark(scratch);
    lion_value *slots;
    size_t count;
    lion_error error;
    if (lion_tuple_read(&slots, &count, tuple, scratch, &error) < 0) lion_bind_raise(L, &error);
    luaL_checkstack(L, 8, "tuples nested too deep");
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push(L, slots[i], scratch);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lion_arena_rewind(scratch, mark);
}

static void push_symbol(lua_State *L, lion_slice name)
{
    lion_bind_push_slot(L, LION_BIND_SYMBOL);
    lion_bind_push_text(L, name);
    lua_call(L, 1, 1);
}

static void push_decimal(lua_State *L, lion_slice bytes)
{
    lion_buffer text;
    lion_buffer_init(&text);
    lion_decimal_print(&text, bytes);
    lion_bind_push_slot(L, LION_BIND_DECIMAL);
    lion_bind_push_text(L, lion_buffer_view(&text));
    lion_buffer_deinit(&text);
    lua_call(L, 1, 1);
}

void lion_bind_push_value(lua_State *L, lion_value value, lion_arena *scratch)
{
    switch (value.type) {
    case LION_TYPE_NIL: lua_pushlightuserdata(L, NULL); break;
    case LION_TYPE_BOOLEAN: lua_pushboolean(L, value.bits != 0); break;
    case LION_TYPE_LONG: lion_bind_push_integer(L, value.bits); break;
    case LION_TYPE_DOUBLE: lua_pushnumber(L, value.number); break;
    case LION_TYPE_INSTANT:
    case LION_TYPE_REF:
    case LION_TYPE_ATTRIBUTE: lua_pushnumber(L, (lua_Number)value.bits); break;
    case LION_TYPE_KEYWORD: push_keyword(L, lion_value_slice(value)); break;
    case LION_TYPE_SYMBOL: push_symbol(L, lion_value_slice(value)); break;
    case LION_TYPE_UUID: {
        char text[37];
        lion_uuid_format(text, value.data);
        lua_pushlstring(L, text, 36);
        break;
    }
    case LION_TYPE_TUPLE: push_tuple(L, value, lion_bind_push_value, scratch); break;
    case LION_TYPE_DECIMAL: push_decimal(L, lion_value_slice(value)); break;
    case LION_TYPE_LOG: lion_bind_push_log(L, (lion_db *)(intptr_t)value.bits); break;
    default: /* strings, uris, bytes */ lion_bind_push_text(L, lion_value_slice(value));
    }
}

/* The slot's function called with the kind and the plain value. */
static void push_as(lua_State *L, const char *kind, lion_value value)
{
    lion_bind_push_slot(L, LION_BIND_TYPED);
    lua_pushstring(L, kind);
    lion_bind_push_value(L, value, NULL);
    lua_call(L, 2, 1);
}

static bool looks_like_keyword(lion_value value)
{
    lion_slice text = lion_value_slice(value);
    return text.size > 0 && ((const char *)text.data)[0] == ':';
}

void lion_bind_push_typed(lua_State *L, lion_value value, lion_arena *scratch)
{
    if (value.type == LION_TYPE_INSTANT)
        push_as(L, "instant", value);
    else if (value.type == LION_TYPE_UUID)
        push_as(L, "uuid", value);
    else if (value.type == LION_TYPE_BYTES)
        push_as(L, "bytes", value);
    else if (value.type == LION_TYPE_STRING && looks_like_keyword(value))
        push_as(L, "string", value);
    else if (value.type == LION_TYPE_TUPLE)
        push_tuple(L, value, lion_bind_push_typed, scratch);
    else
        lion_bind_push_value(L, value, scratch);
}

void lion_bind_push_datom(lua_State *L, const lion_datom *datom, const lion_schema *schema,
                          lion_bind_push push, lion_arena *scratch)
{
    lua_createtable(L, 5, 0);
    lua_pushnumber(L, (lua_Number)datom->e);
    lua_rawseti(L, -2, 1);
    lion_slice name;
    if (lion_schema_ident(&name, schema, datom->a) == LION_OK)
        lion_bind_push_text(L, name);
    else
        lua_pushnumber(L, (lua_Number)datom->a);
    lua_rawseti(L, -2, 2);
    push(L, datom->v, scratch);
    lua_rawseti(L, -2, 3);
    lua_pushnumber(L, (lua_Number)datom->tx);
    lua_rawseti(L, -2, 4);
    lua_pushboolean(L, datom->added);
    lua_rawseti(L, -2, 5);
}

/* ---- forms: an explicit stack, since pull results may be LION_FORM_DEPTH_MAX deep ----
 *
 * Tables of the first levels lie on the Lua stack at base + depth. Deeper ones share one slot, base
 * + SHALLOW, and wait in the table at `base` (the holder, made when it is first needed) by their
 * depth. */
#define SHALLOW 64

typedef struct frame {
    const lion_form *form;
    uint32_t next; /* item */
} frame;

typedef struct pusher {
    lua_State *L;
    lion_bind_push push;
    lion_arena *scratch;
    int base;
    int depth;     /* of the open container, from 1 */
    frame *frames; /* by depth - 1; `shallow`, then a userdata in the holder's slot 0 */
    int capacity;
    frame shallow[SHALLOW];
} pusher;

static bool is_container(const lion_form *form)
{
    return form->kind == LION_FORM_VECTOR || form->kind == LION_FORM_MAP ||
           form->kind == LION_FORM_SET;
}

static void grow_frames(pusher *self)
{
    lua_State *L = self->L;
    if (!lua_istable(L, self->base)) {
        lua_newtable(L);
        lua_replace(L, self->base);
    }
    frame *frames = lua_newuserdata(L, sizeof(frame) * (size_t)self->capacity * 4);
    memcpy(frames, self->frames, sizeof(frame) * (size_t)self->capacity);
    lua_rawseti(L, self->base, 0);
    self->frames = frames;
    self->capacity *= 4;
}

static int slot_of(const pusher *self)
{
    return self->base + (self->depth < SHALLOW ? self->depth : SHALLOW);
}

static void open_container(pusher *self, const lion_form *form)
{
    lua_State *L = self->L;
    if (self->depth == self->capacity) grow_frames(self);
    self->frames[self->depth++] = (frame){ .form = form };
    bool is_map = form->kind == LION_FORM_MAP;
    lua_createtable(L, is_map ? 0 : (int)form->count, is_map ? (int)form->count : 0);
    if (self->depth < SHALLOW) {
        lua_replace(L, self->base + self->depth);
        return;
    }
    lua_pushvalue(L, -1);
    if (!lua_istable(L, self->base)) {
        lua_newtable(L);
        lua_replace(L, self->base);
    }
    lua_rawseti(L, self->base, self->depth);
    lua_replace(L, self->base + SHALLOW);
}

/* Leave the container; its table is pushed. */
static void close_container(pusher *self)
{
    lua_State *L = self->L;
    lua_pushvalue(L, slot_of(self));
    self->depth--;
    if (self->depth >= SHALLOW) {
        lua_rawgeti(L, self->base, self->depth);
        lua_replace(L, self->base + SHALLOW);
    }
}

/* Put the value on top into the open container, as its item `index`. */
static void place(pusher *self, const frame *open, uint32_t index)
{
    lua_State *L = self->L;
    if (open->form->kind != LION_FORM_MAP) {
        lua_rawseti(L, slot_of(self), (int)index + 1);
        return;
    }
    const lion_form *key = &open->form->items[index - 1];
    if (key->kind == LION_FORM_VALUE && key->value.type != LION_TYPE_NIL) {
        /* Keys are bare: attributes, and what `:as` says. */
        if (key->value.type == LION_TYPE_KEYWORD)
            lion_bind_push_text(L, lion_value_slice(key->value));
        else
            lion_bind_push_value(L, key->value, self->scratch);
    } else {
        lion_bind_push_form(L, key, self->push, self->scratch);
    }
    lua_insert(L, -2);
    lua_rawset(L, slot_of(self));
}

static void push_leaf(lua_State *L, const lion_form *form, lion_bind_push push, lion_arena *scratch)
{
    if (form->kind == LION_FORM_HOST)
        lion_bind_push_function(L, form->value.bits);
    else if (form->kind == LION_FORM_DB)
        lion_bind_push_db(L, (lion_db *)(intptr_t)form->value.bits);
    else
        push(L, form->value, scratch);
}

static void run(pusher *self)
{
    for (;;) {
        frame *open = &self->frames[self->depth - 1];
        const lion_form *form = open->form;
        uint32_t end = form->kind == LION_FORM_MAP ? form->count * 2 : form->count;
        uint32_t index = open->next + (form->kind == LION_FORM_MAP ? 1 : 0);
        if (index >= end) {
            close_container(self);
            if (self->depth == 0) return;
            open = &self->frames[self->depth - 1];
            index = open->next - 1;
            place(self, open, index);
            continue;
        }
        const lion_form *item = &form->items[index];
        open->next = index + 1;
        if (is_container(item)) {
            open_container(self, item);
        } else {
            push_leaf(self->L, item, self->push, self->scratch);
            place(self, open, index);
        }
    }
}

/* A container, however deep. */
static void push_deep(lua_State *L, const lion_form *form, lion_bind_push push, lion_arena *scratch)
{
    luaL_checkstack(L, SHALLOW + 16, "data nested too deep");
    pusher self = {
        .L = L, .push = push, .scratch = scratch, .base = lua_gettop(L) + 1, .capacity = SHALLOW
    };
    self.frames = self.shallow;
    lua_settop(L, self.base + SHALLOW); /* holder, SHALLOW slots */
    open_container(&self, form);
    run(&self);
    lua_replace(L, self.base);
    lua_settop(L, self.base);
}

/* ---- forms that are not deep: the tables lie on the stack as they are made ---- */

#define RECURSION_MAX 32
#define KEYS_MAX 64

/* Keys that were pushed before, in a table on the stack: maps that follow each other have the same
 * ones, mostly in the same order. Those that are alike lie at one place. */
typedef struct known_keys {
    int table;            /* stack index; 0: none are kept */
    uint32_t count, next; /* the one that is expected */
    lion_value known[KEYS_MAX];
} known_keys;

typedef struct shallow {
    lua_State *L;
    lion_bind_push push;
    lion_arena *scratch;
    known_keys keys;
} shallow;

static bool is_key(const lion_value *known, const lion_value *key)
{
    return known->data == key->data && known->size == key->size && known->type == key->type;
}

static void push_key(shallow *self, const lion_form *form)
{
    lua_State *L = self->L;
    known_keys *keys = &self->keys;
    bool is_name = form->kind == LION_FORM_VALUE &&
                   (form->value.type == LION_TYPE_STRING || form->value.type == LION_TYPE_KEYWORD);
    if (!is_name) {
        lion_bind_push_form(L, form,
                            form->kind == LION_FORM_VALUE ? lion_bind_push_value : self->push,
                            self->scratch);
        return;
    }
    for (uint32_t i = 0; i < keys->count; i++, keys->next++) {
        if (keys->next >= keys->count) keys->next = 0;
        if (!is_key(&keys->known[keys->next], &form->value)) continue;
        lua_rawgeti(L, keys->table, (int)++keys->next);
        return;
    }
    lion_bind_push_text(L,
                        lion_value_slice(form->value)); /* bare: attributes, and what `:as` says */
    if (keys->table == 0 || keys->count == KEYS_MAX) return;
    keys->known[keys->count++] = form->value;
    lua_pushvalue(L, -1);
    lua_rawseti(L, keys->table, (int)keys->count);
}

static void push_shallow(shallow *self, const lion_form *form, int depth)
{
    lua_State *L = self->L;
    if (!is_container(form)) {
        push_leaf(L, form, self->push, self->scratch);
        return;
    }
    if (depth == RECURSION_MAX) {
        push_deep(L, form, self->push, self->scratch);
        return;
    }
    luaL_checkstack(L, 8, "data nested too deep");
    if (form->kind != LION_FORM_MAP) {
        lua_createtable(L, (int)form->count, 0);
        for (uint32_t i = 0; i < form->count; i++) {
            push_shallow(self, &form->items[i], depth + 1);
            lua_rawseti(L, -2, (int)i + 1);
        }
        return;
    }
    lua_createtable(L, 0, (int)form->count);
    for (uint32_t i = 0; i < form->count; i++) {
        push_key(self, &form->items[2 * i]);
        push_shallow(self, &form->items[2 * i + 1], depth + 1);
        lua_rawset(L, -3);
    }
}

void lion_bind_push_form(lua_State *L, const lion_form *form, lion_bind_push push,
                         lion_arena *scratch)
{
    if (!is_container(form)) {
        push_leaf(L, form, push, scratch);
        return;
    }
    shallow self;
    self.L = L;
    self.push = push;
    self.scratch = scratch;
    self.keys.table = 0;
    self.keys.count = self.keys.next = 0;
    push_shallow(&self, form, 0);
}

void lion_bind_push_forms(lua_State *L, const lion_form *forms, size_t count, lion_bind_push push,
                          lion_arena *scratch)
{
    lua_createtable(L, (int)count, 0);
    lua_createtable(L, 8, 0);
    shallow self;
    self.L = L;
    self.push = push;
    self.scratch = scratch;
    self.keys.table = lua_gettop(L);
    self.keys.count = self.keys.next = 0;
    for (size_t i = 0; i < count; i++) {
        push_shallow(&self, &forms[i], 0);
        lua_rawseti(L, self.keys.table - 1, (int)i + 1);
    }
    lua_pop(L, 1);
}
