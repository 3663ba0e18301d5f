/* The kernel's events of devices: what comes, goes and changes, in the words of sysfs. */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "kernel-private.h"

#define EVENT_BYTES	8192
#define EVENTS_PER_TURN 64
#define KERNEL_GROUP	1
#define SUBSYSTEM	"SUBSYSTEM="

static struct {
	int fd;
	struct loop_watch *watch;
	void (*callback)(const char *subsystem);
} self = { .fd = -1 };

/* "add@/devices/…" and then NAME=VALUE, each with a NUL behind. */
static const char *subsystem_of(const char *text, size_t size)
{
	for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
		if (str_starts(text + at, SUBSYSTEM))
			return text + at + strlen(SUBSYSTEM);
	}
	return NULL;
}

static void on_readable(unsigned events, void *arg)
{
	char text[EVENT_BYTES + 1];

	for (int i = 0; i < EVENTS_PER_TURN; i++) {
		ssize_t size = recv(self.fd, text, EVENT_BYTES, MSG_DONTWAIT);
		const char *subsystem;

		if (size < 0 && errno == ENOBUFS)
			self.callback(NULL);
		if (size <= 0)
			return;
		text[size] = '\0';
		subsystem = subsystem_of(text, (size_t)size);
		if (subsystem)
			self.callback(subsystem);
	}
}

int kernel_on_uevent(void (*callback)(const char *subsystem), struct err *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };

	if (kernel_is_recording())
		return 0;
	self.callback = callback;
	self.fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (self.fd < 0 || bind(self.fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, -errno, NULL, "cannot listen to the kernel's events: %s",
			strerror(errno));
	self.watch = loop_watch_new("uevents", self.fd, LOOP_READ, on_readable, NULL);
	return 0;
}

void uevent_done(void)
{
	loop_watch_free(TAKE(self.watch));
	if (self.fd >= 0)
		close(TAKE_FD(self.fd));
}
