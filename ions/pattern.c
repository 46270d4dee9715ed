/* pattern.c - Lua's patterns, matched within a bound.
 *
 * A pattern is a list of items; an item that may match in several ways (a repetition, an option)
 * tries the rest of the pattern after each. That is exponential in the items for some texts, so
 * every character tried is counted, and when the limit is passed all attempts end at once:
 * `failure` is set, and whoever tries looks at it. Recursion goes one level deeper for a repetition
 * or a capture only, at most LION_PATTERN_DEPTH_MAX. What matches is the same as in LuaJIT, but
 * that a zero byte in a pattern is a character as any other, and not its end. */
#include "pattern.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LION_PATTERN_DEPTH_MAX 200
#define LION_PATTERN_CAPTURES_MAX 32

enum { CAPTURE_OPEN = -1, CAPTURE_PLACE = -2 }; /* instead of a size */

typedef unsigned char byte;

typedef struct capture {
    const byte *start;
    ptrdiff_t size;
} capture;

typedef struct matcher {
    const byte *text, *text_end;
    const byte *pattern_end;
    int64_t units, limit;
    const char *failure; /* NULL; EXHAUSTED; or what is wrong with the pattern */
    int depth;
    int capture_count;
    capture captures[LION_PATTERN_CAPTURES_MAX];
} matcher;

static const char EXHAUSTED[] = "exhausted";

static const byte *match_rest(matcher *m, const byte *at, const byte *item);

static const byte *fail(matcher *m, const char *message)
{
    if (m->failure == NULL) m->failure = message;
    return NULL;
}

static void spend(matcher *m, ptrdiff_t units)
{
    m->units += units;
    if (m->units > m->limit) fail(m, EXHAUSTED);
}

/* ---- one character ---- */

static bool is_between(byte c, byte low, byte high)
{
    return c >= low && c <= high;
}
static bool is_letter(byte c)
{
    return is_between(c | 0x20, 'a', 'z');
}
static bool is_digit(byte c)
{
    return is_between(c, '0', '9');
}
static bool is_graphic(byte c)
{
    return is_between(c, 33, 126);
}

/* Whether `c` is of the class that a lower-case letter names; *is_class_out: whether it names one.
 */
static bool is_of(byte c, byte letter, bool *is_class_out)
{
    *is_class_out = true;
    switch (letter) {
    case 'a': return is_letter(c);
    case 'c': return c < 32 || c == 127;
    case 'd': return is_digit(c);
    case 'g': return is_graphic(c);
    case 'l': return is_between(c, 'a', 'z');
    case 'p': return is_graphic(c) && !is_letter(c) && !is_digit(c);
    case 's': return c == ' ' || is_between(c, 9, 13);
    case 'u': return is_between(c, 'A', 'Z');
    case 'w': return is_letter(c) || is_digit(c);
    case 'x': return is_digit(c) || is_between(c | 0x20, 'a', 'f');
    case 'z': return c == 0;
    default: *is_class_out = false; return false;
    }
}

/* `%` and this character. */
static bool fits_escape(byte c, byte escaped)
{
    bool is_class = false;
    if (!is_letter(escaped)) return c == escaped;
    bool is_in = is_of(c, escaped | 0x20, &is_class);
    if (!is_class) return c == escaped;
    return is_in == (escaped >= 'a');
}

/* The set from its `[` to its `]`, `last`. */
static bool fits_set(byte c, const byte *set, const byte *last)
{
    bool is_inverted = set[1] == '^';
    if (is_inverted) set++;
    for (set++; set < last; set++) {
        if (*set == '%' && set + 1 < last) {
            if (fits_escape(c, *++set)) return !is_inverted;
        } else if (set + 2 < last && set[1] == '-') {
            if (is_between(c, set[0], set[2])) return !is_inverted;
            set += 2;
        } else if (c == *set) {
            return !is_inverted;
        }
    }
    return is_inverted;
}

/* Behind the class that begins at `item`, or NULL. */
static const byte *class_end(matcher *m, const byte *item)
{
    if (*item == '%') {
        if (item + 1 == m->pattern_end) return fail(m, "malformed pattern (ends with '%')");
        return item + 2;
    }
    if (*item != '[') return item + 1;
    item += item + 1 < m->pattern_end && item[1] == '^' ? 2 : 1;
    for (bool is_first = true; item < m->pattern_end; is_first = false) {
        if (*item == ']' && !is_first) return item + 1;
        item += *item == '%' && item + 1 < m->pattern_end ? 2 : 1;
    }
    return fail(m, "malformed pattern (missing ']')");
}

static bool fits_class(matcher *m, byte c, const byte *item, const byte *end)
{
    switch (*item) {
    case '.': return true;
    case '%': return fits_escape(c, item[1]);
    case '[': spend(m, (end - item) / 8); return fits_set(c, item, end - 1);
    default: return c == *item;
    }
}

/* Whether there is a character at `at` that fits, as far as the limit allows. */
static bool fits(matcher *m, const byte *at, const byte *item, const byte *end)
{
    spend(m, 1);
    return m->failure == NULL && at < m->text_end && fits_class(m, *at, item, end);
}

/* ---- captures and the items of `%` ---- */

static const byte *open_capture(matcher *m, const byte *at, const byte *item)
{
    bool is_place = item + 1 < m->pattern_end && item[1] == ')';
    if (m->capture_count == LION_PATTERN_CAPTURES_MAX) return fail(m, "too many captures");
    m->captures[m->capture_count++] = (capture){ at, is_place ? CAPTURE_PLACE : CAPTURE_OPEN };
    const byte *end = match_rest(m, at, item + (is_place ? 2 : 1));
    if (end == NULL) m->capture_count--;
    return end;
}

static const byte *close_capture(matcher *m, const byte *at, const byte *item)
{
    int index = m->capture_count - 1;
    while (index >= 0 && m->captures[index].size != CAPTURE_OPEN) index--;
    if (index < 0) return fail(m, "invalid pattern capture");
    m->captures[index].size = at - m->captures[index].start;
    const byte *end = match_rest(m, at, item + 1);
    if (end == NULL) m->captures[index].size = CAPTURE_OPEN;
    return end;
}

/* %bxy: from an x to the y that balances it. */
static const byte *match_balance(matcher *m, const byte *at, const byte *item)
{
    if (m->pattern_end - item < 4) return fail(m, "unbalanced pattern");
    if (at == m->text_end || *at != item[2]) return NULL;
    ptrdiff_t open = 1;
    const byte *start = at;
    while (++at < m->text_end) {
        if (*at == item[3]) {
            if (--open == 0) break;
        } else if (*at == item[2]) {
            open++;
        }
    }
    spend(m, at - start);
    return at == m->text_end || m->failure != NULL ? NULL : at + 1;
}

/* %1 … %9: the text of a capture once more. */
static const byte *match_again(matcher *m, const byte *at, byte digit)
{
    int index = digit - '1';
    if (index < 0 || index >= m->capture_count || m->captures[index].size == CAPTURE_OPEN)
        return fail(m, "invalid capture index");
    capture *again = &m->captures[index];
    if (again->size < 0 || again->size > m->text_end - at) return NULL;
    spend(m, again->size);
    if (m->failure != NULL || memcmp(at, again->start, (size_t)again->size) != 0) return NULL;
    return at + again->size;
}

/* %f[set]: whether the set begins here. *end_out is behind the item. */
static bool is_frontier(matcher *m, const byte *at, const byte *item, const byte **end_out)
{
    if (item + 2 == m->pattern_end || item[2] != '[') {
        fail(m, "missing '[' after '%f' in pattern");
        return false;
    }
    *end_out = class_end(m, item + 2);
    if (*end_out == NULL) return false;
    byte before = at == m->text ? 0 : at[-1], here = at == m->text_end ? 0 : *at;
    spend(m, (*end_out - item) / 4);
    return !fits_set(before, item + 2, *end_out - 1) && fits_set(here, item + 2, *end_out - 1);
}

/* ---- repetitions ---- */

static const byte *match_most(matcher *m, const byte *at, const byte *item, const byte *end,
                              ptrdiff_t least)
{
    ptrdiff_t count = 0;
    while (fits(m, at + count, item, end)) count++;
    for (; count >= least && m->failure == NULL; count--) {
        spend(m, 1);
        const byte *found = match_rest(m, at + count, end + 1);
        if (found != NULL) return found;
    }
    return NULL;
}

static const byte *match_fewest(matcher *m, const byte *at, const byte *item, const byte *end)
{
    for (;; at++) {
        const byte *found = match_rest(m, at, end + 1);
        if (found != NULL) return found;
        if (m->failure != NULL || !fits(m, at, item, end)) return NULL;
    }
}

/* ---- the rest of a pattern ---- */

/* The items from `item` on, at `at`: the end of the match, or NULL. */
static const byte *match_items(matcher *m, const byte *at, const byte *item)
{
    while (item < m->pattern_end && m->failure == NULL) {
        const byte *end;
        byte second = item + 1 < m->pattern_end ? item[1] : 0;
        if (*item == '(') return open_capture(m, at, item);
        if (*item == ')') return close_capture(m, at, item);
        if (*item == '$' && item + 1 == m->pattern_end) return at == m->text_end ? at : NULL;
        if (*item == '%' && (second == 'b' || is_digit(second))) {
            at = second == 'b' ? match_balance(m, at, item) : match_again(m, at, second);
            if (at == NULL) return NULL;
            item += second == 'b' ? 4 : 2;
            continue;
        }
        if (*item == '%' && second == 'f') {
            if (!is_frontier(m, at, item, &end)) return NULL;
            item = end;
            continue;
        }
        end = class_end(m, item);
        if (end == NULL) return NULL;
        switch (end < m->pattern_end ? *end : 0) {
        case '*': return match_most(m, at, item, end, 0);
        case '+': return match_most(m, at, item, end, 1);
        case '-': return match_fewest(m, at, item, end);
        case '?': {
            const byte *found = fits(m, at, item, end) ? match_rest(m, at + 1, end + 1) : NULL;
            if (found != NULL) return found;
            item = end + 1;
            break;
        }
        default:
            if (!fits(m, at, item, end)) return NULL;
            at++;
            item = end;
        }
    }
    return m->failure == NULL ? at : NULL;
}

static const byte *match_rest(matcher *m, const byte *at, const byte *item)
{
    if (m->depth == LION_PATTERN_DEPTH_MAX) return fail(m, "pattern too complex");
    m->depth++;
    const byte *end = match_items(m, at, item);
    m->depth--;
    return end;
}

/* ---- for Lua ---- */

static void push_capture(lua_State *state, const matcher *m, const capture *pushed)
{
    if (pushed->size == CAPTURE_PLACE)
        lua_pushinteger(state, pushed->start - m->text + 1);
    else
        lua_pushlstring(state, (const char *)pushed->start, (size_t)pushed->size);
}

typedef struct attempt {
    matcher matcher;
    const byte *first, *end; /* NULL: no match */
} attempt;

/* Try from `start` on, or there only. */
static void search(attempt *self, const byte *pattern, const byte *start, bool is_anchored)
{
    matcher *m = &self->matcher;
    for (const byte *at = start; at <= m->text_end && m->failure == NULL; at++) {
        m->capture_count = 0;
        spend(m, 1);
        self->end = match_rest(m, at, pattern);
        self->first = at;
        if (self->end != NULL || is_anchored) break;
    }
    for (int i = 0; self->end != NULL && i < m->capture_count; i++)
        if (m->captures[i].size == CAPTURE_OPEN) fail(m, "unfinished capture");
}

/* Read the arguments and search; the count of what was pushed if there is nothing more to say. */
static int run(lua_State *state, attempt *self, bool takes_anchor)
{
    size_t text_size, pattern_size;
    const byte *text = (const byte *)luaL_checklstring(state, 1, &text_size);
    const byte *pattern = (const byte *)luaL_checklstring(state, 2, &pattern_size);
    size_t start = (size_t)luaL_checkinteger(state, 3) - 1;
    luaL_argcheck(state, start <= text_size, 3, "beyond the text");
    *self = (attempt){ .matcher = { .text = text,
                                    .text_end = text + text_size,
                                    .pattern_end = pattern + pattern_size,
                                    .limit = (int64_t)luaL_checknumber(state, 4) } };
    bool is_anchored = takes_anchor && pattern_size > 0 && *pattern == '^';
    search(self, pattern + (is_anchored ? 1 : 0), text + start, is_anchored);
    const char *failure = self->matcher.failure;
    if (failure == EXHAUSTED) {
        lua_pushnil(state);
        return 1;
    }
    if (failure != NULL) {
        lua_pushboolean(state, false);
        lua_pushstring(state, failure);
        return 2;
    }
    lua_pushnumber(state, (lua_Number)self->matcher.units);
    if (self->end != NULL) return 0;
    lua_pushnil(state);
    return 2;
}

static int push_captures(lua_State *state, const attempt *self, bool whole_if_none)
{
    const matcher *m = &self->matcher;
    luaL_checkstack(state, m->capture_count + 1, "too many captures");
    for (int i = 0; i < m->capture_count; i++) push_capture(state, m, &m->captures[i]);
    if (m->capture_count > 0 || !whole_if_none) return m->capture_count;
    lua_pushlstring(state, (const char *)self->first, (size_t)(self->end - self->first));
    return 1;
}

static void push_bounds(lua_State *state, const attempt *self)
{
    lua_pushinteger(state, self->first - self->matcher.text + 1);
    lua_pushinteger(state, self->end - self->matcher.text);
}

static int find(lua_State *state)
{
    attempt self;
    int pushed = run(state, &self, true);
    if (pushed > 0) return pushed;
    push_bounds(state, &self);
    return 3 + push_captures(state, &self, false);
}

static int match(lua_State *state)
{
    attempt self;
    int pushed = run(state, &self, true);
    return pushed > 0 ? pushed : 1 + push_captures(state, &self, true);
}

static int step(lua_State *state)
{
    attempt self;
    int pushed = run(state, &self, false);
    if (pushed > 0) return pushed;
    push_bounds(state, &self);
    return 3 + push_captures(state, &self, true);
}

/* ---- replacing ---- */

typedef struct replacing {
    attempt attempt;
    luaL_Buffer result;
    size_t size, size_max;
    int kind; /* of the replacement, at index 3 */
} replacing;

static void add(replacing *self, const void *data, size_t size)
{
    self->size += size;
    if (self->size <= self->size_max) luaL_addlstring(&self->result, data, size);
}

static void add_value(replacing *self, lua_State *state)
{
    size_t size;
    lua_tolstring(state, -1, &size);
    self->size += size;
    if (self->size <= self->size_max)
        luaL_addvalue(&self->result);
    else
        lua_pop(state, 1);
}

/* The replacement is a text in which % and a digit stand for a capture, %0 for the whole. */
static void add_template(replacing *self, lua_State *state)
{
    attempt *match = &self->attempt;
    size_t size;
    const char *template = lua_tolstring(state, 3, &size);
    for (size_t i = 0; i < size; i++) {
        const char *escape = memchr(template + i, '%', size - i);
        size_t literal = escape == NULL ? size - i : (size_t)(escape - template) - i;
        add(self, template + i, literal);
        i += literal + 1;
        if (escape == NULL) return;
        int index =
            template[i] -
            '1'; /* a text of Lua ends with a zero byte, which is what a last % stands for */
        if (!is_digit((byte) template[i])) {
            add(self, template + i, 1);
        } else if (index < 0 || (index == 0 && match->matcher.capture_count == 0)) {
            add(self, match->first, (size_t)(match->end - match->first));
        } else if (index >= match->matcher.capture_count) {
            fail(&match->matcher, "invalid capture index");
        } else {
            push_capture(state, &match->matcher, &match->matcher.captures[index]);
            add_value(self, state);
        }
    }
}

/* What a table has for the first capture, or a function answers to all. */
static void add_answer(replacing *self, lua_State *state)
{
    attempt *match = &self->attempt;
    lua_pushvalue(state, 3);
    int count = push_captures(state, match, true);
    if (self->kind == LUA_TFUNCTION) {
        lua_call(state, count, 1);
    } else {
        lua_pop(state, count - 1);
        lua_gettable(state, -2);
        lua_remove(state, -2);
    }
    if (!lua_toboolean(state, -1)) {
        lua_pop(state, 1);
        add(self, match->first, (size_t)(match->end - match->first));
    } else if (lua_isstring(state, -1)) {
        add_value(self, state);
    } else {
        const char *kind = luaL_typename(state, -1);
        lua_pop(state, 1);
        fail(&match->matcher, lua_pushfstring(state, "invalid replacement value (a %s)", kind));
    }
}

/* Replace at most `most` matches from the start on; how many there were. */
static lua_Number replace_all(replacing *self, lua_State *state, const byte *pattern,
                              lua_Number most, bool is_anchored)
{
    matcher *m = &self->attempt.matcher;
    lua_Number count = 0;
    const byte *at = m->text;
    while (count < most && at <= m->text_end && self->size <= self->size_max) {
        search(&self->attempt, pattern, at, is_anchored);
        if (self->attempt.end == NULL || m->failure != NULL) break;
        const byte *first = self->attempt.first, *end = self->attempt.end;
        count++;
        add(self, at, (size_t)(first - at));
        if (self->kind == LUA_TSTRING)
            add_template(self, state);
        else
            add_answer(self, state);
        if (m->failure != NULL) break;
        at = end;
        if (first == end) { /* an empty match takes the character behind it along */
            if (at < m->text_end) add(self, at, 1);
            at++;
        }
        if (is_anchored) break;
    }
    if (at < m->text_end) add(self, at, (size_t)(m->text_end - at));
    return count;
}

/* What the program's function raises goes past this frame without AddressSanitizer seeing it: it leaves no
 * marks there. */
__attribute__((no_sanitize("address"))) static int replace(lua_State *state)
{
    size_t text_size, pattern_size;
    const byte *text = (const byte *)luaL_checklstring(state, 1, &text_size);
    const byte *pattern = (const byte *)luaL_checklstring(state, 2, &pattern_size);
    lua_Number most = luaL_checknumber(state, 4);
    replacing self = { .size_max = (size_t)luaL_checknumber(state, 6) };
    self.kind = lua_type(state, 3) == LUA_TNUMBER ? LUA_TSTRING : lua_type(state, 3);
    matcher *m = &self.attempt.matcher;
    *m = (matcher){ .text = text,
                    .text_end = text + text_size,
                    .pattern_end = pattern + pattern_size,
                    .limit = (int64_t)luaL_checknumber(state, 5) };
    bool is_anchored = pattern_size > 0 && *pattern == '^';
    luaL_buffinit(state, &self.result);
    lua_Number count =
        replace_all(&self, state, pattern + (is_anchored ? 1 : 0), most, is_anchored);
    if (m->failure == EXHAUSTED || self.size > self.size_max) {
        lua_pushnil(state);
        lua_pushboolean(state, m->failure != EXHAUSTED);
        return 2;
    }
    if (m->failure != NULL) {
        lua_pushboolean(state, false);
        lua_pushstring(state, m->failure);
        return 2;
    }
    luaL_pushresult(&self.result);
    lua_pushnumber(state, (lua_Number)m->units + (lua_Number)self.size / 16);
    lua_insert(state, -2);
    lua_pushnumber(state, count);
    return 3;
}

static int plain(lua_State *state)
{
    size_t text_size, piece_size;
    const char *text = luaL_checklstring(state, 1, &text_size);
    const char *piece = luaL_checklstring(state, 2, &piece_size);
    size_t start = (size_t)luaL_checkinteger(state, 3) - 1;
    luaL_argcheck(state, start <= text_size, 3, "beyond the text");
    const char *found = memmem(text + start, text_size - start, piece, piece_size);
    if (found == NULL)
        lua_pushnil(state);
    else
        lua_pushinteger(state, found - text + 1);
    return 1;
}

int luaopen_ions_pattern(lua_State *state)
{
    static const luaL_Reg functions[] = { { "find", find },   { "match", match },
                                          { "step", step },   { "replace", replace },
                                          { "plain", plain }, { NULL, NULL } };
    lua_newtable(state);
    luaL_register(state, NULL, functions);
    return 1;
}
