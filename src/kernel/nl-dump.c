/*
 * The kernel goes on with a dump when it is read: it fills one datagram a recv(), as large as the buffer, and
 * remembers where it was. What changes meanwhile is told or not; no entry comes twice.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "nl-dump.h"

#define DATAGRAM_BYTES (32 * 1024)
#define ANSWER_WAIT_MS 5000

struct nl_dump {
	struct mnl_socket *socket;
	uint32_t seq;
	const struct nlmsghdr *next; /* in the datagram; NULL: none */
	int left;		     /* bytes of it */
	bool is_over;
	char datagram[DATAGRAM_BYTES] __attribute__((aligned(8)));
};

int nl_dump_new(struct nlmsghdr *request, struct nl_dump **ret_dump, struct err *err)
{
	struct nl_dump *dump = xmalloc(sizeof(*dump));
	int on = 1;

	memset(dump, 0, offsetof(struct nl_dump, datagram));
	dump->seq = 1;
	dump->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (dump->socket)
		(void)mnl_socket_setsockopt(dump->socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = dump->seq;
	if (!dump->socket || mnl_socket_bind(dump->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(dump->socket, request, request->nlmsg_len) < 0) {
		int r = -errno;

		nl_dump_free(dump);
		return err_set(err, r, NULL, "cannot ask the kernel: %s", strerror(-r));
	}
	*ret_dump = dump;
	return 0;
}

void nl_dump_free(struct nl_dump *dump)
{
	if (!dump)
		return;
	if (dump->socket)
		mnl_socket_close(dump->socket);
	free(dump);
}

static int receive(struct nl_dump *dump)
{
	struct pollfd pfd = { .fd = mnl_socket_get_fd(dump->socket), .events = POLLIN };

	for (;;) {
		ssize_t size =
			mnl_socket_recvfrom(dump->socket, dump->datagram, sizeof(dump->datagram));

		if (size >= 0) {
			dump->next = (const struct nlmsghdr *)dump->datagram;
			dump->left = (int)size;
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (errno == EAGAIN && poll(&pfd, 1, ANSWER_WAIT_MS) == 0)
			return -ETIMEDOUT;
	}
}

/* 1: an entry; 0: none; the end, or an error, ends it. */
static int take(struct nl_dump *dump, const struct nlmsghdr *nlh)
{
	int r = 0;

	if (nlh->nlmsg_seq != dump->seq)
		return 0;
	if (nlh->nlmsg_type != NLMSG_DONE && nlh->nlmsg_type != NLMSG_ERROR)
		return 1;
	dump->is_over = true;
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int))
		r = *(const int *)mnl_nlmsg_get_payload(nlh);
	return r < 0 && r != -ENOENT ? r : 0; /* no such table yet */
}

int nl_dump_next(struct nl_dump *dump, const struct nlmsghdr **ret_nlh)
{
	int r;

	if (!dump->next && !dump->is_over) {
		r = receive(dump);
		if (r < 0)
			return r;
	}
	while (dump->next && !dump->is_over && mnl_nlmsg_ok(dump->next, dump->left)) {
		const struct nlmsghdr *nlh = dump->next;

		dump->next = mnl_nlmsg_next(nlh, &dump->left);
		r = take(dump, nlh);
		if (r < 0)
			return r;
		if (r > 0) {
			*ret_nlh = nlh;
			return 1;
		}
	}
	dump->next = NULL;
	*ret_nlh = NULL;
	return !dump->is_over;
}
