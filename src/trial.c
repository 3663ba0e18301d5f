/*
 * A system on trial. It is confirmed by somebody, or by the checks that configuration has for that (health.c). It
 * is given up when that does not come about in time, when it does not take the configuration
 * that it was to prove itself with, or when it is told to: then the device restarts, into what it was before.
 * The time is monotonic and outlives the daemon: when it ends stands in the run directory.
 */
#include <inttypes.h>
#include <stdio.h>

#include "ashlar/clock.h"
#include "ashlar/datastore.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/software.h"
#include "ashlar/starts.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "health.h"
#include "trial.h"

#define END_FILE "trial-end" /* monotonic milliseconds */
#define RETRY_MS 1000

static struct {
	struct loop_timer *timer;
	char *reason; /* it is given up for; NULL: it is not */
} trial;

static void restart(void)
{
	_cleanup_err_ struct err err = { 0 };
	const char *why = trial.reason ? trial.reason : "the trial is over";

	start_log_failed(why);
	if (power_end(POWER_RESTART, why, &err) < 0)
		log_error("trial", "%s", err_text(&err));
}

/* Also when the slot could not be marked: a trial is never started twice. */
static void given_up(const struct err *err, void *arg)
{
	console_say("the trial is given up: %s", trial.reason);
	restart();
}

static void give_up(void *arg)
{
	_cleanup_err_ struct err err = { 0 };

	if (!software_now()->is_trial)
		return;
	if (!trial.reason) {
		_cleanup_free_ char *failing = health_failing();

		trial.reason = xasprintf("it was not confirmed within %" PRIu32 " seconds%s%s",
			software_now()->terms.confirm_s, failing ? ": " : "",
			failing ? failing : "");
	}
	log_error("trial", "event=trial-given-up reason=\"%s\"", trial.reason);
	if (software_abandon(trial.reason, given_up, NULL, &err) < 0)
		loop_timer_start(trial.timer, RETRY_MS); /* it is being confirmed, perhaps */
}

static void on_change(void)
{
	const struct software *now = software_now();

	if (now->is_over) {
		restart();
	} else if (!now->is_trial) {
		loop_timer_stop(trial.timer);
		health_stop();
	}
}

static void confirmed(const struct err *err, void *arg)
{
	if (err)
		log_error("trial", "the checks have passed, but: %s", err_text(err));
}

/* What configuration asks of an upgrade has been shown for long enough. */
static void on_passed(void)
{
	_cleanup_err_ struct err err = { 0 };

	if (software_confirm("its health checks", confirmed, NULL, &err) < 0) {
		log_warning("trial", "%s", err_text(&err));
		health_stop(); /* something else goes on: once more */
		health_start(on_passed);
	}
}

/* When the trial ends; the first daemon of this boot says. */
static uint64_t end_of_trial(const char *run_dir)
{
	_cleanup_free_ char *path = file_join(run_dir, END_FILE), *text = NULL;
	uint64_t end = clock_ms() + (uint64_t)software_now()->terms.confirm_s * 1000, known;
	char line[24];
	size_t size;
	int length;

	if (file_read(path, sizeof(line), &text, &size, NULL) == 0 &&
		str_u64(text, 0, end, &known) == 0)
		return known;
	length = snprintf(line, sizeof(line), "%" PRIu64, end);
	if (file_replace(path, line, (size_t)length, 0600, NULL) < 0)
		log_warning("trial", "the trial would begin anew with the daemon");
	return end;
}

void trial_start(const char *run_dir)
{
	const struct ds_boot_refusal *refusal = ds_boot_refusal(0);
	uint64_t end, now = clock_ms();

	software_healthy();
	if (!software_now()->is_trial)
		return;
	trial.timer = loop_timer_new("trial", give_up, NULL);
	software_on_change(on_change);
	if (refusal) {
		trial.reason = xasprintf("the configuration is refused: %s: %s",
			refusal->path ? refusal->path : refusal->source, refusal->reason);
		give_up(NULL);
		return;
	}
	end = end_of_trial(run_dir);
	loop_timer_start(trial.timer, end > now ? end - now : 0);
	health_start(on_passed);
	console_say("generation %" PRIu32 " is on trial: it is to be confirmed within %" PRIu32
		    " seconds",
		software_now()->generation, software_now()->terms.confirm_s);
}

void trial_end(void)
{
	software_on_change(NULL);
	health_stop();
	loop_timer_free(TAKE(trial.timer));
	free(TAKE(trial.reason));
}
