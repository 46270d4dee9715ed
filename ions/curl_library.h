/* curl_library.h - libcurl, opened when it is first used: the program starts without it, and runs where it
 * is not installed. */
#ifndef LION_IONS_CURL_LIBRARY_H
#define LION_IONS_CURL_LIBRARY_H

#define CURL_DISABLE_TYPECHECK /* its macros would hide the functions */
#include <curl/curl.h>

/* What is used of it, without "curl_" in front. */
#define LION_CURL_FUNCTIONS(X)                                                                                        \
    X(global_init)                                                                                                    \
    X(easy_init) X(easy_cleanup) X(easy_setopt) X(easy_getinfo) X(easy_strerror) X(slist_append) X(slist_free_all)    \
    X(multi_init) X(multi_cleanup) X(multi_setopt) X(multi_add_handle) X(multi_remove_handle) X(multi_assign)         \
    X(multi_socket_action) X(multi_info_read)

typedef struct lion_curl_library {
#define X(name) __typeof__(curl_##name) *name;
    LION_CURL_FUNCTIONS(X)
#undef X
} lion_curl_library;

/* NULL: it is not there, or cannot be used. The same each time; any thread. */
const lion_curl_library *lion_curl_library_open(void);

#endif
