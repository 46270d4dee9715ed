/* curl_library.c - Debian has libcurl with two libraries for TLS, by two names; either will do. */
#include "curl_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static lion_curl_library library;
static bool is_open;

/* dlsym gives a pointer to data; both kinds have the same bytes here. */
static bool look_up(void *handle, const char *name, void *function_out)
{
    void *found = dlsym(handle, name);
    memcpy(function_out, &found, sizeof found);
    return found != NULL;
}

static void open_library(void)
{
    void *handle = NULL;
    for (size_t i = 0; handle == NULL && i < sizeof names / sizeof *names; i++)
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) return;
    bool is_whole = true;
#define X(name) is_whole &= look_up(handle, "curl_" #name, &library.name);
    LION_CURL_FUNCTIONS(X)
#undef X
    is_open = is_whole && library.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const lion_curl_library *lion_curl_library_open(void)
{
    (void)pthread_once(&once, open_library);
    return is_open ? &library : NULL;
}
