/* http_expect.c - a client that asks one thing after the other, as a remote connection does.
 *
 * Its next request comes as soon as it has made something of the answer. While nobody else asks,
 * how long that takes is learned; whoever runs the loop then looks for the request that long before
 * it waits (base/spin.h). Where several ask, looking would take processor time from them. */
#include "http_private.h"

#define LION_HTTP_EXPECT_NS 150000
#define LION_HTTP_ALONE_MIN 8 /* requests of one connection, until it is taken for the only one */

void lion_http_expect_init(lion_http_server *server)
{
    lion_spin_init(&server->spin, LION_HTTP_EXPECT_NS);
}

void lion_http_expect_asked(connection *self, uint64_t now_ns)
{
    lion_http_server *server = self->server;
    if (server->asking != self) {
        server->asking = self;
        server->in_a_row = 0;
    }
    if (++server->in_a_row > LION_HTTP_ALONE_MIN && server->pending == 0)
        lion_spin_learn(&server->spin, (int64_t)(now_ns - server->answered_ns));
}

void lion_http_expect_answered(lion_http_server *server, uint64_t now_ns)
{
    server->answered_ns = now_ns;
}

void lion_http_expect_gone(const connection *self)
{
    if (self->server->asking == self) self->server->asking = NULL;
}

bool lion_http_expects(lion_http_server *server)
{
    return server->asking != NULL && server->in_a_row > LION_HTTP_ALONE_MIN &&
           server->pending == 0 && lion_spin_begin(&server->spin, (int64_t)server->answered_ns);
}

bool lion_http_still_expects(lion_http_server *server)
{
    return lion_spin_goes_on(&server->spin);
}
