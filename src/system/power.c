/*
 * The end of all that runs: the machine starts again, or goes off. Whoever asked is answered first; then what
 * has an end of its own comes to that (containers), and init does the rest: it ends the daemon, which saves what it
 * has not saved yet, and unmounts.
 */
#include <stdio.h>

#include "ashlar/child.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/system.h"

#define DELAY_MS   200 /* the reply, and what subscribers are told, are on their way out */
#define OUTPUT_MAX 1024

/* Programs of whatever init there is. */
static const char *const programs[] = {
	[POWER_RESTART] = "reboot",
	[POWER_OFF] = "poweroff",
};

static struct {
	bool is_asked;
	enum power act;
	char *why;
	struct loop_timer *timer;
	struct child *child;
	void (*prepare)(void (*ready)(void));
} power;

void power_prepare_with(void (*prepare)(void (*ready)(void)))
{
	power.prepare = prepare;
}

static void failed(const char *why)
{
	log_error("system", "%s: %s", programs[power.act], why);
	console_say("%s: %s", programs[power.act], why);
	power.is_asked = false; /* it can be asked for again */
	if (power.prepare)
		power.prepare(NULL);
}

static void program_done(const struct child_result *result, void *arg)
{
	power.child = NULL;
	if (result->status)
		failed(*result->output ? result->output : "refused");
}

static void run_program(void)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.argv = (const char *const[]){ programs[power.act], NULL },
		.output_max = OUTPUT_MAX,
		.done = program_done,
	};

	if (!power.child && child_start(&opts, &power.child, &err) < 0)
		failed(err_text(&err));
}

static void on_timer(void *arg)
{
	if (power.prepare)
		power.prepare(run_program);
	else
		run_program();
}

int power_end(enum power act, const char *why, struct err *err)
{
	if (!have_get(have_all(), &object_kind_machine, MACHINE_KEY))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL, "%s %s", MACHINE_KEY,
			object_kind_machine.absent);
	if (power.is_asked && power.act != act)
		return err_tagged(err, ERR_TAG_IN_USE, NULL, "the device is about to %s",
			power.act == POWER_OFF ? "go off" : "restart");
	if (power.is_asked)
		return 0;
	power.is_asked = true;
	power.act = act;
	free(power.why);
	power.why = xstrdup(why);
	log_notice(
		"system", "event=%s reason=\"%s\"", act == POWER_OFF ? "shutdown" : "restart", why);
	console_say("%s: %s", act == POWER_OFF ? "shutdown" : "restart", why);
	if (!power.timer)
		power.timer = loop_timer_new("power", on_timer, NULL);
	loop_timer_start(power.timer, DELAY_MS);
	return 0;
}

const char *power_asked(enum power *ret_act)
{
	if (!power.is_asked)
		return NULL;
	*ret_act = power.act;
	return power.why;
}

void power_done(void)
{
	free(TAKE(power.why));
	loop_timer_free(TAKE(power.timer));
	child_cancel(TAKE(power.child));
}
