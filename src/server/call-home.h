/* Call home (RFC 8071): the server connects to its clients, and is the server all the same. */
#ifndef ASHLAR_SERVER_CALL_HOME_H
#define ASHLAR_SERVER_CALL_HOME_H

void call_home_start(void);
/* Gives up what is under way; connections are left to their transports. */
void call_home_stop(void);

#endif
