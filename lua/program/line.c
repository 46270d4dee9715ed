/* line.c - the module "lion.line": a line from the terminal with editing, history and completion, by libedit.
 * A process has one terminal, so there is one editor; what the Lua function that completes
 * answers is put in by C, and it runs in the state that asked for the line. */
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <lauxlib.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "terminal.h"

enum { HISTORY_MAX = 2000 };

static struct {
    EditLine *edit; /* NULL: not open */
    History *history;
    char *history_path; /* owned; NULL: nothing is kept */
    const char *prompt; /* of the read under way, borrowed from Lua's stack */
    lua_State *L;       /* of the read under way */
    int completer;      /* in the registry; LUA_NOREF: none */
    int signal_number;  /* what ended the read */
} editor = { .completer = LUA_NOREF };

/* ---- what libedit asks for ---- */

static char *prompt(EditLine *edit)
{
    (void)edit;
    return (char *)editor.prompt;
}

/* Stopped by Ctrl-Z: the shell gets its terminal as it was, and gives it back. */
static void suspend(EditLine *edit)
{
    el_set(edit, EL_PREP_TERM, 0);
    raise(SIGSTOP);
    el_set(edit, EL_PREP_TERM, 1);
    el_set(edit, EL_REFRESH);
}

/* Ended from outside, as by default, but with the terminal as it was. */
static void end(EditLine *edit, int signal_number)
{
    el_set(edit, EL_PREP_TERM, 0);
    lion_terminal_release(signal_number);
    raise(signal_number);
}

/* false: the read ends here */
static bool meet_signal(EditLine *edit, int signal_number)
{
    if (signal_number == SIGINT) {
        editor.signal_number = signal_number;
        return false;
    }
    if (signal_number == SIGWINCH) el_resize(edit);
    if (signal_number == SIGTSTP) suspend(edit);
    if (signal_number == SIGTERM || signal_number == SIGHUP) end(edit, signal_number);
    return true;
}

static int next_character(EditLine *edit, wchar_t *character_out)
{
    mbstate_t state;
    memset(&state, 0, sizeof state);
    for (;;) {
        int signal_number = lion_terminal_wait(STDIN_FILENO, -1);
        if (signal_number != 0) {
            if (!meet_signal(edit, signal_number)) return -1;
            continue;
        }
        char byte;
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return (int)got;
        size_t used = mbrtowc(character_out, &byte, 1, &state);
        if (used == (size_t)-2) continue;
        if (used == (size_t)-1) *character_out = L'?';
        return 1;
    }
}

/* The function of Lua takes what stands before the cursor, and answers how many characters to take away, what to
 * put there, and what to list below. */
static unsigned char complete(EditLine *edit, int key)
{
    (void)key;
    lua_State *L = editor.L;
    const LineInfo *line = el_line(edit);
    lua_rawgeti(L, LUA_REGISTRYINDEX, editor.completer);
    lua_pushlstring(L, line->buffer, (size_t)(line->cursor - line->buffer));
    if (!lua_isfunction(L, -2) || lua_pcall(L, 1, 3, 0) != 0) {
        lua_settop(L, 1);
        return CC_ERROR;
    }
    const char *inserted = lua_tostring(L, -2), *listed = lua_tostring(L, -1);
    int taken = (int)lua_tointeger(L, -3);
    unsigned char answer = CC_ERROR;
    if (inserted != NULL && inserted[0] != '\0') {
        if (taken > 0) el_deletestr(edit, taken);
        answer = el_insertstr(edit, inserted) == 0 ? CC_REFRESH : CC_ERROR;
    }
    if (listed != NULL) {
        printf("\n%s", listed);
        answer = CC_REDISPLAY;
    }
    lua_settop(L, 1);
    return answer;
}

/* ---- history ---- */

static void load_history(void)
{
    HistEvent event;
    int count = history(editor.history, &event, H_LOAD, editor.history_path);
    if (count > 2 * HISTORY_MAX) history(editor.history, &event, H_SAVE, editor.history_path);
}

/* Appended, so that prompts which are open side by side keep each other's lines. */
static void append_history(void)
{
    int fd = open(editor.history_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "a");
    if (file == NULL) {
        if (fd >= 0) close(fd);
        return;
    }
    fseek(file, 0, SEEK_END); /* an empty file gets libedit's first line */
    HistEvent event;
    history(editor.history, &event, H_NSAVE_FP, (size_t)0, file); /* libedit saves one more than it is told */
    fclose(file);
}

/* remember(text) */
static int remember(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    HistEvent event;
    if (editor.history == NULL || text[0] == '\0') return 0;
    bool is_last = history(editor.history, &event, H_FIRST) >= 0 && strcmp(event.str, text) == 0;
    if (is_last || history(editor.history, &event, H_ENTER, text) < 0) return 0;
    if (editor.history_path != NULL) append_history();
    return 0;
}

/* ---- opening ---- */

/* libedit counts characters as the locale does; text here is UTF-8 also where the locale says nothing. */
static void use_utf8(void)
{
    if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static void bind_keys(EditLine *edit)
{
    static const char *const keys[][2] = {
        { "\t", "lion-complete" },          { "^R", "em-inc-search-prev" },
        { "\\e[1~", "ed-move-to-beg" },     { "\\e[4~", "ed-move-to-end" },
        { "\\e[H", "ed-move-to-beg" },      { "\\e[F", "ed-move-to-end" },
        { "\\e[3~", "ed-delete-next-char" }, { "\\e[1;5C", "em-next-word" },
        { "\\e[1;5D", "ed-prev-word" },
    };
    el_set(edit, EL_ADDFN, "lion-complete", "Complete what stands before the cursor", complete);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        el_set(edit, EL_BIND, keys[i][0], keys[i][1], NULL);
}

/* open(history path or nil) → whether there is an editor */
static int open_editor(lua_State *L)
{
    const char *path = luaL_optstring(L, 1, NULL);
    use_utf8();
    if (editor.edit == NULL) editor.edit = el_init("lion", stdin, stdout, stderr);
    if (editor.edit == NULL) return 0;
    HistEvent event;
    editor.history = history_init();
    history(editor.history, &event, H_SETSIZE, HISTORY_MAX);
    editor.history_path = path == NULL ? NULL : strdup(path);
    if (editor.history_path != NULL) load_history();
    el_set(editor.edit, EL_PROMPT, prompt);
    el_set(editor.edit, EL_EDITOR, "emacs");
    el_set(editor.edit, EL_SIGNAL, 0);
    el_set(editor.edit, EL_GETCFN, next_character);
    el_set(editor.edit, EL_HIST, history, editor.history);
    bind_keys(editor.edit);
    el_source(editor.edit, NULL); /* the user's ~/.editrc */
    lua_pushboolean(L, 1);
    return 1;
}

/* completer(fn) */
static int completer(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_unref(L, LUA_REGISTRYINDEX, editor.completer);
    lua_settop(L, 1);
    editor.completer = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static const int caught[] = { SIGINT, SIGWINCH, SIGTSTP, SIGTERM, SIGHUP };
enum { CAUGHT_COUNT = sizeof caught / sizeof caught[0] };

/* read(prompt) → the line; false: it was dropped by Ctrl-C; nil: the end */
static int read_line(lua_State *L)
{
    editor.prompt = luaL_checkstring(L, 1);
    if (editor.edit == NULL) return luaL_error(L, "the editor is not open");
    lua_settop(L, 1);
    editor.L = L;
    editor.signal_number = 0;
    fflush(stdout);
    for (int i = 0; i < CAUGHT_COUNT; i++) lion_terminal_catch(caught[i]);
    lion_terminal_forget();
    int size = 0;
    const char *text = el_gets(editor.edit, &size);
    for (int i = 0; i < CAUGHT_COUNT; i++) lion_terminal_release(caught[i]);
    editor.L = NULL;
    if (editor.signal_number == SIGINT) {
        el_reset(editor.edit);
        fputs("^C\n", stdout);
        lua_pushboolean(L, 0);
        return 1;
    }
    if (text == NULL || size <= 0) {
        fputc('\n', stdout); /* what comes next has a line of its own */
        return 0;
    }
    if (text[size - 1] == '\n') size--;
    lua_pushlstring(L, text, (size_t)size);
    return 1;
}

/* close(): the terminal as it was */
static int close_editor(lua_State *L)
{
    (void)L;
    if (editor.edit == NULL) return 0;
    el_end(editor.edit);
    history_end(editor.history);
    free(editor.history_path);
    editor.edit = NULL;
    editor.history = NULL;
    editor.history_path = NULL;
    return 0;
}

static const luaL_Reg functions[] = {
    { "open", open_editor },   { "completer", completer }, { "read", read_line },
    { "remember", remember },  { "close", close_editor },  { NULL, NULL },
};

int luaopen_lion_line(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
