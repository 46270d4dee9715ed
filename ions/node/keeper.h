/* keeper.h - which of a worker's two threads runs its loop.
 *
 * The Lua thread runs it itself between its turns, so that a request costs no switch of threads. It
 * lends the loop while it runs Lua; the I/O thread, which stands by, takes it when one turn lasts,
 * and gives it back when the Lua thread waits. Who has the loop has all that belongs to the I/O
 * thread. */
#ifndef LION_IONS_NODE_KEEPER_H
#define LION_IONS_NODE_KEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef struct lion_keeper {
    _Atomic uint64_t word; /* who has it, and above that a number that grows with each lending */
    uv_mutex_t mutex;
    uv_cond_t condition;   /* the I/O thread stands by */
    atomic_bool is_dozing; /* it does not look until it is woken */
} lion_keeper;

/* The I/O thread has it. */
void lion_keeper_init(lion_keeper *keeper);
bool lion_keeper_is_io(const lion_keeper *keeper);

/* Whoever has it: from now on it is there for the Lua thread, and for the I/O thread when that does
 * not come for it. */
void lion_keeper_lend(lion_keeper *keeper);

/* The Lua thread: take it back. false: the I/O thread has it. */
bool lion_keeper_reclaim(lion_keeper *keeper);

/* The I/O thread: return when it is lent for long, and this thread has it. */
void lion_keeper_stand_by(lion_keeper *keeper);

#endif
