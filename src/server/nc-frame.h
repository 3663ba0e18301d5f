/* NETCONF framing (RFC 6242 section 4): bytes ↔ messages. Pure. */
#ifndef ASHLAR_SERVER_NC_FRAME_H
#define ASHLAR_SERVER_NC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ashlar/buf.h"
#include "ashlar/err.h"

#define NC_FRAME_MESSAGE_MAX (16 * 1024 * 1024)

enum nc_frame_state {
	NC_FRAME_START,	 /* between messages, or 1.0: anywhere */
	NC_FRAME_HASH,	 /* "\n" seen */
	NC_FRAME_SIZE,	 /* "\n#" seen: first digit or the second hash */
	NC_FRAME_DIGITS, /* within the size */
	NC_FRAME_DATA,	 /* within a chunk */
	NC_FRAME_NEXT,	 /* a chunk is complete: "\n" must follow */
	NC_FRAME_NEXT_HASH,
	NC_FRAME_NEXT_SIZE,
	NC_FRAME_END, /* "\n##" seen */
};

struct nc_frame {
	bool is_chunked; /* set once both hellos are known */
	enum nc_frame_state state;
	uint32_t left;	    /* of the chunk */
	size_t max;	    /* largest message */
	struct buf message; /* what is there of the current message; the caller's when complete */
};

/* Begins with end-of-message framing. */
void nc_frame_init(struct nc_frame *frame, size_t max);
void nc_frame_done(struct nc_frame *frame);
/*
 * Takes bytes; *ret_used of them (all, unless a message ended before). Returns 1 when frame->message
 * is a whole message (to be taken or cleared before the next call), 0 when more is needed, -EBADMSG for bytes
 * that break the framing, -EMSGSIZE beyond the limit. After an error the stream is lost.
 */
int nc_frame_next(struct nc_frame *frame, const char *data, size_t size, size_t *ret_used,
	struct err *err) WARN_UNUSED;
/* Has a message begun that is not complete? */
bool nc_frame_is_open(const struct nc_frame *frame);

#define NC_FRAME_HEAD_MAX 16
/* What goes before and after a message of @size bytes; @head holds NC_FRAME_HEAD_MAX. */
size_t nc_frame_head(char *head, bool is_chunked, size_t size);
const char *nc_frame_tail(bool is_chunked);

#endif
