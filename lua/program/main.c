/* main.c - the program: `lion run` and `lion spec` here, every other command in lua/lion/cli. */
#include <errno.h>
#include <lauxlib.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind/state.h"
#include "dev_lua.h"
#include "module.h"
#include "next.h"
#include "node/node.h"
#include "terminal.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_NOT_FOUND = 3 };

/* The message with a trace; errors that are tables speak by their __tostring. */
static int trace(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TSTRING) {
        lua_getglobal(L, "tostring");
        lua_pushvalue(L, 1);
        if (lua_pcall(L, 1, 1, 0) != 0) return 1;
        lua_replace(L, 1);
    }
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

static int report(lua_State *L)
{
    const char *message = lua_tostring(L, -1);
    fflush(stdout);
    fprintf(stderr, "lion: %s\n", message == NULL ? "(an error that has no text)" : message);
    return EXIT_FAILED;
}

/* The global `arg`: the script at 0, its arguments behind. */
static void set_arguments(lua_State *L, int count, char **arguments)
{
    lua_createtable(L, count, 1);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, arguments[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
}

/* A script that is "-" is read from standard input. */
static int run_script(lua_State *L, int count, char **arguments)
{
    const char *path = strcmp(arguments[0], "-") == 0 ? NULL : arguments[0];
    set_arguments(L, count, arguments);
    lua_pushcfunction(L, trace);
    if (luaL_loadfile(L, path) != 0) {
        report(L);
        return path != NULL && access(path, F_OK) != 0 ? EXIT_NOT_FOUND : EXIT_FAILED;
    }
    luaL_checkstack(L, count, "too many arguments");
    for (int i = 1; i < count; i++) lua_pushstring(L, arguments[i]);
    if (lua_pcall(L, count - 1, 0, 1) != 0) return report(L);
    return EXIT_DONE;
}

/* Call `main(arguments)` of a module that is compiled in; a number it returns is the exit code. */
static int run_module(lua_State *L, const char *module, int count, char **arguments)
{
    lua_pushcfunction(L, trace);
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    if (lua_pcall(L, 1, 1, 1) != 0) return report(L);
    lua_getfield(L, -1, "main");
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, arguments[i]);
        lua_rawseti(L, -2, i + 1);
    }
    if (lua_pcall(L, 1, 1, 1) != 0) return report(L);
    return lua_isnumber(L, -1) ? (int)lua_tointeger(L, -1) : EXIT_DONE;
}

static int dispatch(lua_State *L, int count, char **arguments)
{
    const char *command = count > 0 ? arguments[0] : "";
    bool has_script = count > 1 && (arguments[1][0] != '-' || arguments[1][1] == '\0');
    if (strcmp(command, "run") == 0 && has_script) return run_script(L, count - 1, arguments + 1);
    if (strcmp(command, "spec") == 0) return run_module(L, "lion.spec", count - 1, arguments + 1);
    return run_module(L, "lion.cli", count, arguments);
}

/* What was printed and did not arrive (a disk is full) makes a command fail; a reader that wants no
 * more does not. */
static int finish_output(int code)
{
    errno = 0;
    bool is_written = fflush(stdout) == 0 && !ferror(stdout);
    if (is_written || lion_terminal_is_output_gone()) return code;
    const char *reason = errno == 0 ? "not all of it could be written" : strerror(errno);
    fprintf(stderr, "lion: standard output: %s\n", reason);
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

int main(int count, char **arguments)
{
    /* A node's processes decide for themselves what they hold; the supervisor and the writer hold no Lua. */
    if (count > 1 && strcmp(arguments[1], "node-process") == 0) return lion_node_process(count - 2, arguments + 2);
    /* Queries take and return megabytes, again and again: keep them instead of asking the system each time. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    lua_State *L = lion_lua_new();
    if (L == NULL) {
        fprintf(stderr, "lion: out of memory\n");
        return EXIT_FAILED;
    }
    lion_next_replace(L);
    lion_ions_preload(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_ions_dev);
    lua_setfield(L, -2, "ions.dev");
    lua_pushcfunction(L, luaopen_lion_terminal);
    lua_setfield(L, -2, "lion.terminal");
    lua_pushcfunction(L, luaopen_lion_line);
    lua_setfield(L, -2, "lion.line");
    lua_settop(L, 0);
    int code = dispatch(L, count - 1, arguments + 1);
    lua_close(L);
    return finish_output(code);
}
