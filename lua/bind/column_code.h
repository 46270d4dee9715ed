/* column_code.h - functions of numbers that lua/lion/column_code.lua has made code of, over
 * columns: what LuaJIT makes of the same function for one row after the other. Private to lua/bind.
 *
 * Code is a string of instructions of four bytes: operation, out, a, b. Registers hold a number, or
 * a mask (0 or 1), of each row; registers of numbers from 0 on are the operands. */
#ifndef LION_LUA_BIND_COLUMN_CODE_H
#define LION_LUA_BIND_COLUMN_CODE_H

#include <stdbool.h>
#include <stdint.h>

#define LION_BIND_REGISTERS 32  /* of numbers, and of masks */
#define LION_BIND_CODE_ROWS 128 /* at once: all registers stay in the processor's nearest cache */

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

typedef struct lion_bind_registers {
    double numbers[LION_BIND_REGISTERS][LION_BIND_CODE_ROWS];
    uint8_t masks[LION_BIND_REGISTERS][LION_BIND_CODE_ROWS];
} lion_bind_registers;

/* Whether code of so many bytes keeps to the registers, and to operations that there are. */
bool lion_bind_code_check(const uint8_t *code, uint32_t size);
/* For so many rows, up to LION_BIND_CODE_ROWS. */
void lion_bind_code_run(const uint8_t *code, uint32_t size, lion_bind_registers *registers,
                        uint32_t rows);

#endif
