/* Subscribers are told how an upgrade gets on: the notifications of ashlar-software. */
#ifndef ASHLAR_SERVER_UPGRADE_EVENTS_H
#define ASHLAR_SERVER_UPGRADE_EVENTS_H

void upgrade_events_start(void);
void upgrade_events_stop(void);

#endif
