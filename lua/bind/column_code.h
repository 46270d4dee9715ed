/* column_code.h - functions of numbers that lua/lion/column_code.lua has made code of, over the
 * columns of a call: what LuaJIT makes of the same function for one row after the other. Private to
 * lua/bind.
 *
 * Code is a string of instructions of four bytes: operation, out, a, b. Registers hold a number, or
 * a mask (0 or 1), of each row; registers of numbers from 0 on are the arguments, then constants.
 */
#ifndef LION_LUA_BIND_COLUMN_CODE_H
#define LION_LUA_BIND_COLUMN_CODE_H

#include <lion.h>

#define LION_BIND_REGISTERS 32 /* of numbers, and of masks */

typedef enum lion_bind_operation {
    LION_BIND_ADD = 1,
    LION_BIND_SUBTRACT,
    LION_BIND_MULTIPLY,
    LION_BIND_DIVIDE,
    LION_BIND_MODULO, /* as Lua has it: of the divisor's sign */
    LION_BIND_NEGATE,
    LION_BIND_TAKE, /* where mask a is set, number b */
    LION_BIND_LESS, /* from here on out is a mask; of numbers … */
    LION_BIND_AT_MOST,
    LION_BIND_EQUAL,
    LION_BIND_AND, /* … and of masks */
    LION_BIND_AND_NOT,
    LION_BIND_NOT,
    LION_BIND_OR,
} lion_bind_operation;

typedef struct lion_bind_code {
    const uint8_t *instructions;
    uint32_t size; /* in bytes */
    uint32_t argument_count;
    const double *constants; /* in the registers behind the arguments */
    uint32_t constant_count;
    char kind;      /* of the result: 'v'erdict or 'b'oolean, of a mask; 'n'umber */
    uint8_t result; /* its register */
} lion_bind_code;

/* Whether the code keeps to the registers, and to operations that there are. */
bool lion_bind_code_check(const lion_bind_code *code);
/* Whether it can answer the call: its columns are numbers, and none of them a whole one that is no
 * double. */
bool lion_bind_code_can(const lion_bind_code *code, const lion_call *wanted);
/* Write the verdict, or the results, of all rows of a call that it can answer. */
void lion_bind_code_run(const lion_bind_code *code, const lion_call *wanted);

#endif
