/* answers.c - calls that code answers (column_code.c): of each batch of a run, all rows at once.
 *
 * Lua makes the code and gives it for a call, with the numbers that the function has from elsewhere
 * (lua/lion/column_code.lua). They cannot change until the program goes on, or another function of
 * it is called: until then the run's next calls of the same function are answered here, and a batch
 * costs no way through Lua. */
#include <string.h>

#include "bind/column_code.h"
#include "bind/step.h"

#define ANSWERS_MAX 4 /* functions of a run that are known at once */
#define NAME_ROOM 64
#define CODE_ROOM 256 /* bytes */

typedef struct answers_one {
    int32_t kind; /* of the call … */
    uint32_t name_size;
    char name[NAME_ROOM]; /* … and of what function */
    bool is_paid;         /* a step of the program for each row */
    lion_bind_code code;  /* of what is below */
    uint8_t instructions[CODE_ROOM];
    double constants[LION_BIND_REGISTERS];
} answers_one;

struct lion_bind_answers {
    answers_one known[ANSWERS_MAX];
};

static bool pay(lua_State *L, uint32_t steps)
{
    luaL_checkstack(L, 4, "too deep");
    lion_bind_push_slot(L, LION_BIND_PAY);
    lua_pushnumber(L, steps);
    lua_call(L, 1, 1);
    bool is_paid = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return is_paid;
}

static bool answer(lua_State *L, lion_call *wanted, const lion_bind_code *code, bool is_paid)
{
    if (!lion_bind_code_can(code, wanted) || (is_paid && !pay(L, wanted->count))) return false;
    lion_bind_code_run(code, wanted);
    wanted->is_answered = true;
    return true;
}

/* ---- what is known ---- */

static answers_one *find(const lion_bind_step *step, const lion_call *wanted)
{
    for (uint32_t i = 0; i < step->answers_known; i++) {
        answers_one *one = &step->answers->known[i];
        bool is_same = one->kind == wanted->kind &&
                       one->code.argument_count == wanted->argument_count &&
                       lion_slice_equal(wanted->name, lion_slice_of(one->name, one->name_size));
        if (is_same) return one;
    }
    return NULL;
}

bool lion_bind_answers_again(lua_State *L, lion_bind_step *step)
{
    if (step->answers_known == 0) return false;
    lion_call *wanted = lion_bind_step_call(step);
    const answers_one *one = find(step, wanted);
    return one != NULL && answer(L, wanted, &one->code, one->is_paid);
}

/* What does not fit is given anew for each call. */
static void remember(lion_bind_step *step, const lion_call *wanted, const lion_bind_code *code,
                     bool is_paid)
{
    if (step->kind != LION_BIND_RUN || wanted->name.size > NAME_ROOM || code->size > CODE_ROOM)
        return;
    if (step->answers == NULL)
        step->answers = lion_arena_zalloc(&step->arena, sizeof *step->answers);
    if (step->answers == NULL) return;
    answers_one *one = find(step, wanted);
    if (one == NULL && step->answers_known == ANSWERS_MAX) return;
    if (one == NULL) one = &step->answers->known[step->answers_known++];
    *one = (answers_one){ .kind = wanted->kind,
                          .name_size = (uint32_t)wanted->name.size,
                          .is_paid = is_paid,
                          .code = *code };
    memcpy(one->name, wanted->name.data, wanted->name.size);
    memcpy(one->instructions, code->instructions, code->size);
    memcpy(one->constants, code->constants, sizeof(double) * code->constant_count);
    one->code.instructions = one->instructions;
    one->code.constants = one->constants;
}

/* ---- for Lua ---- */

/* compute(step, instructions, kind, result, number of arguments, whether each row is a step of the
 * program, constants…) → whether the call is answered: not where its columns are no numbers, or the
 * steps cannot be paid. kind: "verdict" or "boolean", result is a mask; "number". */
static int compute(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, 0);
    lion_call *wanted = lion_bind_step_call(step);
    double constants[LION_BIND_REGISTERS];
    size_t size = 0;
    lion_bind_code code = { .instructions = (const uint8_t *)luaL_checklstring(L, 2, &size),
                            .constants = constants };
    code.size = (uint32_t)size;
    code.kind = *luaL_checkstring(L, 3);
    code.result = (uint8_t)luaL_checkint(L, 4);
    code.argument_count = (uint32_t)luaL_checkint(L, 5);
    bool is_paid = lua_toboolean(L, 6) != 0;
    for (int i = 7; i <= lua_gettop(L) && code.constant_count < LION_BIND_REGISTERS; i++)
        constants[code.constant_count++] = luaL_checknumber(L, i);
    if (!lion_bind_code_check(&code))
        return lion_bind_fail(L, LION_FAULT, "lion/fault", "no such code");
    bool is_answered = answer(L, wanted, &code, is_paid);
    if (is_answered) remember(step, wanted, &code, is_paid);
    lua_pushboolean(L, is_answered);
    return 1;
}

const luaL_Reg lion_bind_answers_functions[] = {
    { "compute", compute },
    { NULL, NULL },
};
