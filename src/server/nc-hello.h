/* The hello exchange (RFC 6241 section 8.1): our capabilities out, the client's in. */
#ifndef ASHLAR_SERVER_NC_HELLO_H
#define ASHLAR_SERVER_NC_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/buf.h"
#include "ashlar/err.h"

#define NC_HELLO_MAX (256 * 1024) /* bytes of the client's hello */

/* All capability URIs, unescaped; made from the schema at the first call. */
const char *const *nc_hello_capabilities(size_t *ret_count);
void nc_hello_done(void);
/* What hellos do not name from now on, beside what they always do; copied. */
void nc_hello_leave_out(char *const *modules, size_t count);
/* Appends the server's hello, without framing. */
void nc_hello_print(struct buf *out, uint32_t session_id);
/* Reads the client's; says whether both speak base:1.1. An error ends the session. */
int nc_hello_parse(const char *message, size_t size, bool *ret_base11, struct err *err) WARN_UNUSED;

#endif
