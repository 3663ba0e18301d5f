/*
 * The machine itself: object kinds for what configuration changes outside the network. Nothing of it is
 * touched unless the daemon was told that the machine is its own (--system).
 */
#ifndef ASHLAR_SYSTEM_H
#define ASHLAR_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "ashlar/err.h"
#include "ashlar/object.h"

/* Observes what there is. With @owns_machine false, what is wanted here waits: for MACHINE_KEY, which is
 * not there. @root is before the path of each file that is looked at or made. Call after state_init(). */
int system_init(bool owns_machine, const char *root, struct err *err) WARN_UNUSED;
void system_done(void);

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

/* --- files ---------------------------------------------------------------------------------------- */

#define GENFILE_MARK	  "# Written by ashlard" /* with which those begin that configuration has made */
#define GENFILE_LOCALTIME "/etc/localtime"	 /* a link */
#define GENFILE_RESOLV	  "/etc/resolv.conf"
#define GENFILE_CHRONY	  "/etc/chrony.conf"

/* A file that configuration makes: one of the above. */
struct genfile {
	struct object object; /* key: the path */
	char *text;	      /* its contents, or what it points to */
	bool is_link;
};
extern const struct object_kind object_kind_genfile;

/* --- services ------------------------------------------------------------------------------------- */

/* What services need: that finit has started this machine. It is never wanted. */
#define FINIT_KEY "finit"
extern const struct object_kind object_kind_finit;

/* What finit runs. */
struct service {
	struct object object; /* key: the name */
	char *stanza; /* what finit is told, beginning with GENFILE_MARK; observed: NULL: it is another's */
	/* observed; what it was when that was asked for last */
	char *status, *description; /* in the words of infix-system; NULL: not known yet */
	pid_t pid;		    /* 0: it does not run */
	uint64_t memory_bytes, since_ms;
	uint32_t restarts;
};
extern const struct object_kind object_kind_service;
/* One of the model's words for the state it is in. */
const char *service_status(const struct service *service);

#endif
