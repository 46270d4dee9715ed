/* direct.h - transactions that a door answers in its loop, without Lua.
 *
 * What is ordinary (POST /transact over the Unix socket, plain JSON, a database that has been written
 * before) goes to the writer as a frame at once, and its report is told as JSON. Whatever else there
 * is, and what the writer refuses, is Lua's (ions/lua/door): there is one meaning, and this is a
 * shorter way to a part of it. The loop's keeper. */
#ifndef LION_IONS_NODE_DIRECT_H
#define LION_IONS_NODE_DIRECT_H

#include "node/worker.h"

/* A database whose transactions may go this way: Lua has sent one. */
void lion_direct_know(lion_worker *worker, const char *name);
/* true: it is sent to the writer. */
bool lion_direct_send(lion_worker *worker, lion_node_request *request);
/* Whether a frame answers one of these, by its id. */
bool lion_direct_is_its(uint64_t id);
void lion_direct_answer(lion_worker *worker, lion_frame_kind kind, uint64_t id, lion_slice payload);

#endif
