/*
 * Listeners. One IPv6 socket serves IPv4 as well. At most ACCEPT_MAX connections are taken a turn, so
 * that a burst of strangers costs established sessions little; the rest waits in the backlog. When
 * descriptors run out, the listener pauses instead of spinning on a readiness it cannot use.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ashlar/log.h"
#include "ashlar/loop.h"

#include "listen.h"

#define ACCEPT_MAX	  16
#define BACKLOG		  128
#define PAUSE_MS	  500
#define KEEPALIVE_IDLE_S  60
#define KEEPALIVE_PROBE_S 15
#define KEEPALIVE_PROBES  4
#define DEAD_PEER_MS	  60000 /* unacknowledged data for this long ends a connection */

struct listener {
	const char *name;
	enum place_service service;
	int fd;
	char *path; /* of a Unix socket; removed at the end, if it is still ours */
	ino_t inode;
	struct loop_watch *watch;
	struct loop_timer *pause;
	listen_fn accepted;
	void *arg;
};

/* --- accepting -------------------------------------------------------------------------------- */

static void name_ipv4(struct place *place, struct in_addr address, uint16_t port)
{
	(void)inet_ntop(AF_INET, &address, place->host, sizeof(place->host));
	(void)snprintf(place->peer, sizeof(place->peer), "%s:%u", place->host, port);
	(void)snprintf(place->source, sizeof(place->source), "%s", place->host);
}

/* Local connections are told apart by the account that made them. */
static void name_local(struct place *place, int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	place->is_local = true;
	place->is_root = peer.uid == 0 || peer.uid == geteuid();
	(void)snprintf(place->host, sizeof(place->host), "local");
	(void)snprintf(place->peer, sizeof(place->peer), "pid %d", (int)peer.pid);
	(void)snprintf(place->source, sizeof(place->source), "uid %u", (unsigned)peer.uid);
}

void listen_name_peer(struct place *place, int fd, const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	struct in6_addr prefix;

	if (address->ss_family == AF_INET) {
		name_ipv4(place, in->sin_addr, ntohs(in->sin_port));
	} else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		struct in_addr mapped;

		memcpy(&mapped, &in6->sin6_addr.s6_addr[12], sizeof(mapped));
		name_ipv4(place, mapped, ntohs(in6->sin6_port));
	} else if (address->ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, place->host, sizeof(place->host));
		(void)snprintf(place->peer, sizeof(place->peer), "[%s]:%u", place->host,
			ntohs(in6->sin6_port));
		prefix = in6->sin6_addr;
		memset(&prefix.s6_addr[8], 0, 8);
		(void)inet_ntop(AF_INET6, &prefix, place->source, sizeof(place->source));
	} else {
		name_local(place, fd);
	}
}

/* Small messages leave at once; a peer that is gone is noticed. */
void listen_set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_PROBE_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_PEER_MS },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			    sizeof(int)) < 0)
			log_debug("listen", "socket option %d/%d: %s", options[i].level,
				options[i].name, strerror(errno));
}

/* One connection; false when there is none to take now. */
static bool accept_one(struct listener *listener)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);
	struct place who = { .service = listener->service }, *place;
	int fd = accept4(
		listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		log_warning("listen", "%s: %s, accepting again in %d ms", listener->name,
			strerror(errno), PAUSE_MS);
		loop_watch_set(listener->watch, 0);
		loop_timer_start(listener->pause, PAUSE_MS);
		return false;
	}
	if (fd < 0)
		/* Anything but "none left" is about that one connection. */
		return errno != EAGAIN;
	listen_name_peer(&who, fd, &address);
	place = place_enter(&who);
	if (!place) {
		log_info("listen", "%s: too many connections, refusing %s", listener->name,
			who.peer);
		close(fd);
		return true;
	}
	if (address.ss_family != AF_UNIX)
		listen_set_options(fd);
	listener->accepted(fd, place, listener->arg);
	return true;
}

static void on_readable(unsigned events, void *arg)
{
	struct listener *listener = arg;
	int i;

	for (i = 0; i < ACCEPT_MAX; i++)
		if (!accept_one(listener))
			break;
}

static void on_pause_over(void *arg)
{
	struct listener *listener = arg;

	loop_watch_set(listener->watch, LOOP_READ);
}

/* --- life ------------------------------------------------------------------------------------- */

static struct listener *listener_new(
	const char *name, enum place_service service, int fd, listen_fn accepted, void *arg)
{
	struct listener *listener = XNEW(struct listener);

	listener->name = name;
	listener->service = service;
	listener->fd = fd;
	listener->accepted = accepted;
	listener->arg = arg;
	listener->watch = loop_watch_new(name, fd, LOOP_READ, on_readable, listener);
	listener->pause = loop_timer_new(name, on_pause_over, listener);
	return listener;
}

void listen_free(struct listener *listener)
{
	struct stat file;

	if (!listener)
		return;
	loop_timer_free(listener->pause);
	loop_watch_free(listener->watch);
	close(listener->fd);
	if (listener->path && stat(listener->path, &file) == 0 && file.st_ino == listener->inode)
		(void)unlink(listener->path);
	free(listener->path);
	free(listener);
}

static int open_tcp(int family, uint16_t port)
{
	const int on = 1, off = 0;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	_cleanup_close_ int fd =
		socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	if (family == AF_INET6 ? bind(fd, (struct sockaddr *)&in6, sizeof(in6)) < 0
			       : bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		return -errno;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int listen_tcp(const char *name, enum place_service service, uint16_t port, listen_fn accepted,
	void *arg, struct listener **ret_listener, struct err *err)
{
	int fd = open_tcp(AF_INET6, port);

	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = open_tcp(AF_INET, port); /* a kernel without IPv6, or with it disabled */
	if (fd < 0)
		return err_set(err, fd, NULL, "%s cannot listen on port %u: %s", name, port,
			strerror(-fd));
	*ret_listener = listener_new(name, service, fd, accepted, arg);
	return 0;
}

struct listener *listen_adopt(
	const char *name, enum place_service service, int fd, listen_fn accepted, void *arg)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return own < 0 ? NULL : listener_new(name, service, own, accepted, arg);
}

int listen_unix(const char *name, const char *path, mode_t mode, listen_fn accepted, void *arg,
	struct listener **ret_listener, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	struct stat file;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, NULL, "%s: the path %s is too long for a socket",
			name, path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, -errno, NULL, "%s: %s", name, strerror(errno));
	(void)unlink(path); /* of a process that was killed; if it stays, bind() says so */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
		stat(path, &file) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, -errno, NULL, "%s cannot listen on %s: %s", name, path,
			strerror(errno));
	*ret_listener = listener_new(name, PLACE_LOCAL, TAKE_FD(fd), accepted, arg);
	(*ret_listener)->path = xstrdup(path);
	(*ret_listener)->inode = file.st_ino;
	return 0;
}
