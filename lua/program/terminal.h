/* terminal.h - the terminal and the signals that it sends, for the program alone: handlers belong to a
 * process, and a library has none. Main thread only. */
#ifndef LION_PROGRAM_TERMINAL_H
#define LION_PROGRAM_TERMINAL_H

#include <lua.h>
#include <stdbool.h>

/* From now on this signal is news for lion_terminal_wait. */
void lion_terminal_catch(int signal_number);
/* From now on it does again what it does by default. */
void lion_terminal_release(int signal_number);
/* Forget the signals that came and were not waited for. */
void lion_terminal_forget(void);
/* Wait until fd can be read (-1: no file) or a caught signal comes. The signal's number; 0: input or the time
 * is over. timeout_ms -1: as long as it takes. */
int lion_terminal_wait(int fd, int timeout_ms);

/* Is standard output a pipe that nobody reads any more? */
bool lion_terminal_is_output_gone(void);

/* The modules "lion.terminal" and, over libedit, "lion.line". */
int luaopen_lion_terminal(lua_State *L);
int luaopen_lion_line(lua_State *L);

#endif
