/* Replies: the text of <rpc-reply>, its errors, escaping. Pure. */
#ifndef ASHLAR_SERVER_NC_REPLY_H
#define ASHLAR_SERVER_NC_REPLY_H

#include "ashlar/buf.h"
#include "ashlar/err.h"

#include "nc-rpc.h"

#define NC_REPLY_END "</rpc-reply>"

/* Appends text with markup characters as references. */
void nc_reply_escape(struct buf *out, const char *text);
/* <rpc-reply …> with the attributes of <rpc> and the declarations these need. */
void nc_reply_begin(struct buf *out, const struct nc_rpc *rpc);
/* One <rpc-error>. To a client of base:1.0 malformed-message is not known. */
void nc_reply_error(struct buf *out, const struct err *err, bool is_base11);
/*
 * An instance path with JSON names ("/mod:a/b[k='v']") as XPath whose names are prefixed as XML wants it,
 * with the declarations of these prefixes (" xmlns:m=\"…\"").
 */
void nc_reply_path(const char *path, struct buf *ret_xpath, struct buf *ret_declarations);

#endif
