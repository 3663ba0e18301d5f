/*
 * Event streams over RESTCONF: the one for everybody (RFC 8040 section 6), and those of subscriptions (RFC
 * 8650), which begin when they are established and flow once they are asked for.
 */
#ifndef ASHLAR_SERVER_RC_STREAM_H
#define ASHLAR_SERVER_RC_STREAM_H

#include "subscribe.h"

/*
 * Establishes a subscription whose events wait for a GET of its URI; takes the terms. NULL: there are too
 * many.
 */
struct subscription *rc_stream_establish(
	const char *user, enum format format, struct subscribe_terms *terms);
/* Those that wait end; the others have ended with their connections. */
void rc_stream_done(void);

#endif
