/* A system on trial ends it: confirmed in time, or given up. */
#ifndef ASHLAR_TRIAL_H
#define ASHLAR_TRIAL_H

/*
 * The system is up and serves: that is noted, and, if it is on trial, the time to confirm it begins. A trial
 * whose saved configuration was refused has failed at once.
 */
void trial_start(const char *run_dir);
void trial_end(void);

#endif
