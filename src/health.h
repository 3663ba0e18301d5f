/* Health: what configuration says that an upgrade on trial must show (module ashlar-software). */
#ifndef ASHLAR_HEALTH_H
#define ASHLAR_HEALTH_H

#include <stdbool.h>

/*
 * Begins to look, if running has any checks: @passed is called, once, when all of them have passed for as long
 * as configuration says. Whoever changes the checks meanwhile has them looked at anew.
 */
void health_start(void (*passed)(void));
void health_stop(void);
bool health_has_checks(void);
/* The checks that do not pass now, "NAME: reason", separated by "; "; malloc'd, NULL: there are none. */
char *health_failing(void);

#endif
