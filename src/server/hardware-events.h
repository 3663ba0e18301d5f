/* Subscribers are told what becomes of the device's parts: the notifications of RFC 8348. */
#ifndef ASHLAR_SERVER_HARDWARE_EVENTS_H
#define ASHLAR_SERVER_HARDWARE_EVENTS_H

void hardware_events_start(void);
void hardware_events_stop(void);

#endif
