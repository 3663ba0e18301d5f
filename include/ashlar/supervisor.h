/* Telling whoever started the daemon how far it is. */
#ifndef ASHLAR_SUPERVISOR_H
#define ASHLAR_SUPERVISOR_H

/* "READY=1\n", "STOPPING=1\n": as in sd_notify(3). Says nothing where nobody asked to be told. */
void supervisor_notify(const char *text);

#endif
