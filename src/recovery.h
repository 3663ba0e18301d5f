/* The recovery system: reached when nothing else can be started, on an address that is always the same. */
#ifndef ASHLAR_RECOVERY_H
#define ASHLAR_RECOVERY_H

#include "ashlar/err.h"

#define RECOVERY_ADDRESS "169.254.1.1"

/*
 * In the recovery system, writes the configuration that it starts from, in memory (@startup_dir): the address on
 * the first port, and the users of the configuration that is saved below @config_dir, with what they may do.
 * Where nobody is known there it is left in the state of the factory. Elsewhere does nothing.
 */
int recovery_prepare(const char *startup_dir, const char *config_dir, struct err *err) WARN_UNUSED;
/* Tells the console how it is reached. */
void recovery_say(void);

#endif
