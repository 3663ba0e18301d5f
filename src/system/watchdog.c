/*
 * The hardware watchdog: fed by the loop, so that a device whose loop does not turn any more starts again. The
 * program that starts the system has armed it; it stays armed when we end, for whoever is started next.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/mem.h"
#include "ashlar/system.h"

#define DEVICE		"/dev/watchdog"
#define TIMEOUT_SECONDS 60
#define FEEDS		6 /* within the timeout */

static int watchdog = -1;
static struct loop_timer *timer;
static uint64_t interval_ms;

static void feed(void *arg)
{
	if (ioctl(watchdog, WDIOC_KEEPALIVE, 0) < 0)
		log_error("system", "%s: %s", DEVICE, strerror(errno));
	loop_timer_start(timer, interval_ms);
}

void watchdog_start(void)
{
	int seconds = TIMEOUT_SECONDS;

	watchdog = open(DEVICE, O_WRONLY | O_CLOEXEC);
	if (watchdog < 0) {
		log_notice("system", "no watchdog: %s", strerror(errno));
		return;
	}
	/* What the device makes of it is written back. */
	if (ioctl(watchdog, WDIOC_SETTIMEOUT, &seconds) < 0)
		(void)ioctl(watchdog, WDIOC_GETTIMEOUT, &seconds);
	interval_ms = (uint64_t)seconds * 1000 / FEEDS;
	timer = loop_timer_new("watchdog", feed, NULL);
	feed(NULL);
}

void watchdog_stop(void)
{
	loop_timer_free(TAKE(timer));
	if (watchdog >= 0)
		close(watchdog);
	watchdog = -1;
}
