/*
 * Preloaded into a daemon: strikes once, at the Nth thing by which it changes the kernel.
 *
 * Changes are requests of netlink that are no questions, and sysctls that are opened for writing; those of a
 * buffer are told apart. Either that one is refused (EPERM: the thread has no CAP_NET_ADMIN meanwhile; EIO from a
 * file), or the whole process stops before it, until it is sent SIGCONT: so others can act between any two of its
 * messages. Orders come by the file $STRIKE_FILE, which both sides have mapped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum deed { DEED_NONE, DEED_REFUSE, DEED_STOP };

struct orders {
	_Atomic uint32_t deed;
	_Atomic uint32_t left;	 /* changes until it is done */
	_Atomic uint32_t struck; /* type of the message, or 1 for a sysctl */
};

#define STRUCK_SYSCTL 1

static struct orders *orders;

static ssize_t (*next_sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
static int (*next_open)(const char *, int, ...);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("STRIKE_FILE");
	int fd;

	*(void **)&next_sendto = dlsym(RTLD_NEXT, "sendto");
	*(void **)&next_open = dlsym(RTLD_NEXT, "open64");
	if (!path || (fd = next_open(path, O_RDWR | O_CLOEXEC)) < 0)
		return;
	orders = mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (orders == MAP_FAILED)
		orders = NULL;
	close(fd);
}

/* What is to be done now, with a change of this type. */
static enum deed deed_now(uint32_t type)
{
	enum deed deed;

	if (!orders || orders->deed == DEED_NONE || --orders->left > 0)
		return DEED_NONE;
	deed = orders->deed;
	orders->deed = DEED_NONE;
	orders->struck = type;
	return deed;
}

/* What removes things that may be gone by themselves: whatever the kernel answers means that they are. */
static bool cannot_fail(uint16_t type)
{
	return type == RTM_DELLINKPROP || type == RTM_DELNEIGH || type == RTM_DELMDB;
}

static bool is_change(int protocol, const struct nlmsghdr *nlh)
{
	if (!(nlh->nlmsg_flags & NLM_F_REQUEST) ||
		(protocol == NETLINK_ROUTE && cannot_fail(nlh->nlmsg_type) &&
			orders->deed == DEED_REFUSE))
		return false;
	if (protocol == NETLINK_ROUTE) /* numbered in fours: new, delete, get, set */
		return nlh->nlmsg_type >= RTM_BASE && nlh->nlmsg_type % 4 != RTM_GETLINK % 4;
	return protocol == NETLINK_GENERIC && nlh->nlmsg_type > GENL_ID_CTRL &&
		(nlh->nlmsg_flags & NLM_F_ACK) && !(nlh->nlmsg_flags & NLM_F_DUMP);
}

static ssize_t send_part(int fd, const char *data, size_t size, int flags)
{
	return size ? next_sendto(fd, data, size, flags, NULL, 0) : 0;
}

static ssize_t send_refused(int fd, const char *data, size_t size, int flags)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct had[_LINUX_CAPABILITY_U32S_3], less[_LINUX_CAPABILITY_U32S_3];
	ssize_t sent;

	syscall(SYS_capget, &header, had);
	memcpy(less, had, sizeof(less));
	less[CAP_TO_INDEX(CAP_NET_ADMIN)].effective &= ~CAP_TO_MASK(CAP_NET_ADMIN);
	syscall(SYS_capset, &header, less);
	sent = send_part(fd, data, size, flags);
	syscall(SYS_capset, &header, had);
	return sent;
}

/* The message at @at, and what comes before it. */
static ssize_t strike(enum deed deed, int fd, const char *data, size_t at, size_t size, int flags)
{
	ssize_t sent = send_part(fd, data, at, flags);

	if (sent < 0 || deed == DEED_REFUSE)
		return sent < 0 ? sent : send_refused(fd, data + at, size, flags);
	raise(SIGSTOP);
	return send_part(fd, data + at, size, flags);
}

static ssize_t send_struck(int fd, int protocol, const char *data, size_t size, int flags)
{
	size_t begin = 0, at = 0;

	while (at + NLMSG_HDRLEN <= size) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(data + at);
		size_t length = NLMSG_ALIGN(nlh->nlmsg_len);
		enum deed deed;

		if (nlh->nlmsg_len < NLMSG_HDRLEN || length > size - at)
			break;
		deed = is_change(protocol, nlh) ? deed_now(nlh->nlmsg_type) : DEED_NONE;
		at += length;
		if (deed == DEED_NONE)
			continue;
		if (strike(deed, fd, data + begin, at - length - begin, length, flags) < 0)
			return -1;
		begin = at;
	}
	return send_part(fd, data + begin, size - begin, flags) < 0 ? -1 : (ssize_t)size;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
	socklen_t to_size)
{
	int domain = 0, protocol = 0, saved = errno;
	socklen_t length = sizeof(int);

	if (!orders || orders->deed == DEED_NONE ||
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 ||
		domain != AF_NETLINK ||
		getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) < 0) {
		errno = saved;
		return next_sendto(fd, data, size, flags, to, to_size);
	}
	return send_struck(fd, protocol, data, size, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	return sendto(fd, data, size, flags, NULL, 0);
}

static int open_file(const char *path, int flags, mode_t mode)
{
	if ((flags & O_ACCMODE) == O_WRONLY && strncmp(path, "/proc/sys/net/", 14) == 0 && orders &&
		orders->deed != DEED_NONE) {
		switch (deed_now(STRUCK_SYSCTL)) {
		case DEED_NONE:
			break;
		case DEED_REFUSE:
			errno = EIO;
			return -1;
		case DEED_STOP:
			raise(SIGSTOP);
			break;
		}
	}
	return next_open(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
	va_end(list);
	return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
	va_end(list);
	return open_file(path, flags, mode);
}
