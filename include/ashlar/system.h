/*
 * The machine itself: object kinds for what configuration changes outside the network. Nothing of it is
 * touched unless the daemon was told that the machine is its own (--system).
 */
#ifndef ASHLAR_SYSTEM_H
#define ASHLAR_SYSTEM_H

#include <stdbool.h>
#include <time.h>

#include "ashlar/err.h"
#include "ashlar/object.h"

/* Observes what there is. With @owns_machine false, what is wanted here waits: for MACHINE_KEY, which is
 * not there. Call after state_init(). */
int system_init(bool owns_machine, struct err *err) WARN_UNUSED;

/* What every object that changes the machine needs; observed when the daemon may. It is never wanted. */
#define MACHINE_KEY "the machine"
extern const struct object_kind object_kind_machine;

/* Sets the machine's clock (not its calendar's in hardware). Refused when the machine is another's. */
int zone_set_clock(time_t seconds, long nanoseconds, struct err *err) WARN_UNUSED;

enum power {
	POWER_RESTART,
	POWER_OFF,
};
/*
 * The machine restarts or goes off, a moment from now, so that replies get out; @why is told. Asking again for the
 * same is fine. operation-not-supported when the machine is another's, in-use when it is about to do the other.
 */
int power_end(enum power act, const char *why, struct err *err) WARN_UNUSED;
/* What comes to its end before init is asked, and calls back then; with NULL init has refused, and all goes on. */
void power_prepare_with(void (*prepare)(void (*ready)(void)));
/* Why it is about to end, and how; NULL: it is not. Borrowed. */
const char *power_asked(enum power *ret_act);
void power_done(void);

/* Feeds the machine's watchdog from the loop, if it has one; it stays armed after the end. */
void watchdog_start(void);
void watchdog_stop(void);

/* A line on the machine's console, if it has one: for what nobody can ask for who is not let in yet. */
void console_say(const char *format, ...) PRINTF(1, 2);

#define HOSTNAME_MAX 65 /* with the NUL */
#define HOSTNAME_KEY "hostname"

/* There is one. Removing it gives back the name the machine had before. */
struct hostname {
	struct object object; /* key: HOSTNAME_KEY */
	char name[HOSTNAME_MAX];
};
extern const struct object_kind object_kind_hostname;

#endif
