/* The system clock. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "ashlar/state.h"
#include "ashlar/system.h"

int zone_set_clock(time_t seconds, long nanoseconds, struct err *err)
{
	struct timespec now = { .tv_sec = seconds, .tv_nsec = nanoseconds };

	if (!have_get(have_all(), &object_kind_machine, MACHINE_KEY))
		return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL, "%s %s", MACHINE_KEY,
			object_kind_machine.absent);
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return err_set(err, -errno, NULL, "the clock cannot be set: %s", strerror(errno));
	return 0;
}
