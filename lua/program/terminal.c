/* terminal.c - signals come through a pipe, so that whoever waits hears of them whichever thread
 * they hit; only what runs Lua is stopped from within the handler. */
#define _GNU_SOURCE /* pipe2 */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bind/state.h"

enum { COLUMNS_DEFAULT = 80, ROWS_DEFAULT = 24, PATIENCE = 2 };

static int pipe_fds[2] = { -1, -1 };
/* The state in which Ctrl-C raises an error; NULL: nothing runs that could be stopped. */
static lua_State *volatile running;
/* Interrupts of the running call that it has not met yet. */
static volatile sig_atomic_t unheard_count;

/* ---- signals ---- */

static void raise_cancelled(lua_State *L, lua_Debug *at)
{
    (void)at;
    lua_sethook(L, NULL, 0, 0);
    lion_lua_is_cancelled = 0;
    unheard_count = 0;
    lion_lua_raise_cancelled(L);
}

/* Hooks stop what is interpreted, the flag what runs in the core. Machine code of LuaJIT's looks at
 * neither: who asks a third time wants out. */
static void interrupt(lua_State *L)
{
    static const char hint[] = "\nlion: it does not stop yet; Ctrl-C once more ends the program\n";
    lion_lua_is_cancelled = 1;
    lua_sethook(L, raise_cancelled, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    if (unheard_count == PATIENCE - 1 && write(STDERR_FILENO, hint, sizeof hint - 1) < 0) return;
    if (unheard_count >= PATIENCE) _exit(128 + SIGINT);
    unheard_count = unheard_count + 1;
}

static void on_signal(int signal_number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)signal_number;
    if (signal_number == SIGINT && running != NULL) {
        interrupt(running);
    } else {
        ssize_t written = write(pipe_fds[1], &byte, 1);
        (void)written; /* where the pipe is full, whoever waits hears of signals anyway */
    }
    errno = saved;
}

static void set_handler(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART | flags;
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

static void catch_with(int signal_number, int flags)
{
    if (pipe_fds[0] < 0 && pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) return;
    set_handler(signal_number, on_signal, flags);
}

void lion_terminal_catch(int signal_number)
{
    catch_with(signal_number, 0);
}

void lion_terminal_release(int signal_number)
{
    set_handler(signal_number, SIG_DFL, 0);
}

void lion_terminal_forget(void)
{
    unsigned char bytes[64];
    while (read(pipe_fds[0], bytes, sizeof bytes) > 0)
        ;
}

int lion_terminal_wait(int fd, int timeout_ms)
{
    struct pollfd polled[2] = { { .fd = pipe_fds[0], .events = POLLIN },
                                { .fd = fd, .events = POLLIN } };
    int ready;
    do ready = poll(polled, 2, timeout_ms);
    while (ready < 0 && errno == EINTR);
    unsigned char byte = 0;
    if (ready > 0 && (polled[0].revents & POLLIN) != 0 && read(pipe_fds[0], &byte, 1) == 1)
        return byte;
    return 0;
}

/* ---- the module ---- */

/* is_terminal(fd) */
static int is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int size_from(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    int value = text == NULL ? 0 : atoi(text);
    return value > 0 ? value : otherwise;
}

/* size() → columns, rows of the window */
static int size(lua_State *L)
{
    struct winsize window = { 0 };
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    lua_pushinteger(L, is_known ? window.ws_col : size_from("COLUMNS", COLUMNS_DEFAULT));
    lua_pushinteger(L, is_known ? window.ws_row : size_from("LINES", ROWS_DEFAULT));
    return 2;
}

/* interruptible(fn, …) → as pcall; Ctrl-C raises lion/cancelled in fn */
static int interruptible(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lion_lua_is_cancelled = 0;
    unheard_count = 0;
    running = L;
    lion_terminal_catch(SIGINT);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    running = NULL;
    lion_terminal_release(SIGINT);
    lua_sethook(L, NULL, 0, 0);
    lion_lua_is_cancelled = 0;
    lua_pushboolean(L, status == 0);
    lua_insert(L, 1);
    return lua_gettop(L);
}

/* catch_end(): the first interrupt or request to terminate, and a reader of ours that is gone, end
 * waits, not the program. Whoever asks twice does not want to wait. */
static int catch_end(lua_State *L)
{
    (void)L;
    catch_with(SIGINT, (int)SA_RESETHAND);
    catch_with(SIGTERM, (int)SA_RESETHAND);
    set_handler(SIGPIPE, SIG_IGN, 0);
    return 0;
}

bool lion_terminal_is_output_gone(void)
{
    struct pollfd output = { .fd = STDOUT_FILENO };
    return poll(&output, 1, 0) > 0 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

/* wait(ms) → what ended it: "interrupt", "terminate", or "output", which nobody reads any more;
 * nil: the time is over */
static int wait(lua_State *L)
{
    int signal_number = lion_terminal_wait(-1, (int)luaL_checkinteger(L, 1));
    if (signal_number == 0 && !lion_terminal_is_output_gone()) return 0;
    if (signal_number == 0)
        lua_pushliteral(L, "output");
    else
        lua_pushstring(L, signal_number == SIGINT ? "interrupt" : "terminate");
    return 1;
}

static const luaL_Reg functions[] = {
    { "is_terminal", is_terminal }, { "size", size }, { "interruptible", interruptible },
    { "catch_end", catch_end },     { "wait", wait }, { NULL, NULL },
};

int luaopen_lion_terminal(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
