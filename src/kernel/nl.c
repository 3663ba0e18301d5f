/*
 * The netlink sockets. Requests are synchronous: the kernel executes a batch within send(), all answers
 * wait in the socket when it returns. Errors come with the kernel's own words (extended ack) where it has
 * any; a message is not atomic, so a failed one counts as done and is read again before it is inverted.
 *
 * Events come on a second socket (watch.c). Both have receive buffers for thousands of messages: an
 * overflowing request socket would lose the last acknowledgement.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/if_bridge.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "kernel-private.h"
#include "nl-worker.h"

#define RECEIVE_BYTES	 (32 * 1024)
#define RCVBUF_BYTES	 (8 * 1024 * 1024)
#define ANSWER_WAIT_MS	 5000 /* the kernel answers within send(); longer means something is broken */
#define DUMP_TRIES	 5
#define NETNS_MAX	 256
#define SLOW_BATCH_BYTES NL_BATCH_BYTES /* their events are read at once afterwards */
#define PER_SEND_FIRST	 32
#define PER_SEND_MAX	 512
#define VLANS_LARGE	 256
#define SEND_LONG_US	 2000
#define SEND_SHORT_US	 500

static struct {
	struct nl *open[NETNS_MAX];
	size_t count;
	uint64_t changes;
	size_t per_send; /* messages at most, see adapt() */
	char buffer[RECEIVE_BYTES];
} self = { .per_send = PER_SEND_FIRST };

struct nl_name {
	uint32_t ifindex;
	char name[KERNEL_NAME_MAX];
};

uint64_t kernel_changes_sent(void)
{
	return self.changes;
}

void nl_count_change(void)
{
	self.changes++;
}

/* --- sockets ---------------------------------------------------------------------------------- */

struct mnl_socket *nl_socket(int protocol, struct err *err)
{
	struct mnl_socket *socket = mnl_socket_open2(protocol, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int on = 1, size = RCVBUF_BYTES;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		if (socket)
			mnl_socket_close(socket);
		err_set(err, r, NULL, "cannot open a netlink socket: %s", strerror(-r));
		return NULL;
	}
	/* Without privilege the buffer stays as large as the system allows. */
	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) <
		0)
		(void)setsockopt(
			mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return socket;
}

static int open_sockets(struct nl *nl, struct err *err)
{
	nl->request = nl_socket(NETLINK_ROUTE, err);
	if (nl->request)
		nl->events = nl_socket(NETLINK_ROUTE, err);
	if (nl->events)
		nl->slow = nl_socket(NETLINK_ROUTE, err);
	return nl->slow ? 0 : -EIO;
}

int nl_open(const char *netns, int netns_fd, struct nl **ret_nl, struct err *err)
{
	_cleanup_close_ int own = -1;
	struct nl *nl;
	int r;

	if (self.count == NETNS_MAX) {
		if (netns_fd >= 0)
			close(netns_fd);
		return err_set(err, -ENOSPC, NULL, "more than %d network namespaces", NETNS_MAX);
	}
	nl = XNEW(struct nl);
	nl->netns = xstrdup(netns);
	nl->fd = netns_fd;
	r = netns_enter(nl->fd, &own);
	if (r < 0)
		err_set(err, r, NULL, "cannot enter network namespace %s: %s", netns, strerror(-r));
	else
		r = open_sockets(nl, err);
	netns_leave(own);
	if (r == 0 && netns_fd < 0)
		nl->fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (r == 0 && nl->fd < 0)
		r = err_set(err, -errno, NULL, "cannot open the network namespace: %s",
			strerror(errno));
	self.open[self.count++] = nl;
	if (r < 0) {
		nl_close(nl);
		return r;
	}
	*ret_nl = nl;
	return 0;
}

void nl_close(struct nl *nl)
{
	struct nl_name *name;
	size_t at = 0;

	if (!nl)
		return;
	for (size_t i = 0; i < self.count; i++) {
		if (self.open[i] == nl)
			self.open[i] = self.open[--self.count];
	}
	loop_watch_free(nl->watch);
	while ((name = map_next(&nl->names, &at)))
		free(name);
	map_done(&nl->names);
	if (nl->request)
		mnl_socket_close(nl->request);
	if (nl->events)
		mnl_socket_close(nl->events);
	if (nl->slow)
		mnl_socket_close(nl->slow);
	if (nl->genl)
		mnl_socket_close(nl->genl);
	if (nl->fd >= 0)
		close(nl->fd);
	free(nl->netns);
	free(nl);
}

struct nl *nl_of(const char *netns)
{
	for (size_t i = 0; i < self.count; i++) {
		if (str_equal(self.open[i]->netns, netns))
			return self.open[i];
	}
	return NULL;
}

struct nl *nl_at(size_t index)
{
	return index < self.count ? self.open[index] : NULL;
}

/* --- names ------------------------------------------------------------------------------------ */

const char *nl_name_of(struct nl *nl, uint32_t ifindex)
{
	const struct nl_name *name = map_get(&nl->names, &ifindex, sizeof(ifindex));

	return name && *name->name ? name->name : NULL;
}

bool nl_index_is_taken(const struct nl *nl, uint32_t ifindex)
{
	return map_get(&nl->names, &ifindex, sizeof(ifindex)) != NULL;
}

void nl_name_set(struct nl *nl, uint32_t ifindex, const char *text)
{
	struct nl_name *name = map_get(&nl->names, &ifindex, sizeof(ifindex));

	if (!text) {
		map_del(&nl->names, &ifindex, sizeof(ifindex));
		free(name);
		return;
	}
	if (!name) {
		name = XNEW(struct nl_name);
		name->ifindex = ifindex;
		map_put(&nl->names, &name->ifindex, sizeof(name->ifindex), name);
	}
	snprintf(name->name, sizeof(name->name), "%s", text);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The kernel's own words and the attribute it means, behind an error message. */
struct extack {
	const char *text;
	uint32_t offset; /* in the request; 0: none */
};

static void parse_extack(const struct nlmsghdr *nlh, struct extack *ret)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);
	unsigned offset = sizeof(*error);
	const struct nlattr *attr;

	memset(ret, 0, sizeof(*ret));
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += error->msg.nlmsg_len - (unsigned)sizeof(struct nlmsghdr);
	mnl_attr_for_each (attr, nlh, offset) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == NLMSGERR_ATTR_MSG && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			ret->text = mnl_attr_get_str(attr);
		else if (type == NLMSGERR_ATTR_OFFS && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			ret->offset = mnl_attr_get_u32(attr);
	}
}

/* One datagram: bytes, or -errno; waits while the kernel has not answered (it normally has). */
static ssize_t receive(struct mnl_socket *socket)
{
	for (;;) {
		ssize_t size = mnl_socket_recvfrom(socket, self.buffer, sizeof(self.buffer));
		struct pollfd pfd = { .fd = mnl_socket_get_fd(socket), .events = POLLIN };

		if (size >= 0)
			return size;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (poll(&pfd, 1, ANSWER_WAIT_MS) == 0)
			return -ETIMEDOUT;
	}
}

/* --- batches ---------------------------------------------------------------------------------- */

struct message {
	struct step *step;
	size_t offset; /* in the buffer */
	int ignored;
	bool is_answered;
};

struct nl_batch {
	struct nl *nl;
	char *data;
	size_t size, room_bytes;
	struct message *messages;
	size_t count, room;
	uint32_t first_seq;
	bool has_failed, is_marked;
	bool is_slow, is_large; /* see the functions */
	struct worker_job job;
	uint64_t started_us;
};

struct nl_batch *nl_batch_new(void)
{
	struct nl_batch *batch = XNEW(struct nl_batch);

	batch->room_bytes = NL_BATCH_BYTES + NL_MESSAGE_BYTES;
	batch->data = xmalloc(batch->room_bytes);
	return batch;
}

void nl_batch_free(struct nl_batch *batch)
{
	if (!batch)
		return;
	worker_job_done(&batch->job);
	free(batch->messages);
	free(batch->data);
	free(batch);
}

bool nl_batch_mark(struct nl_batch *batch)
{
	bool was = batch->is_marked;

	batch->is_marked = true;
	return was;
}

bool nl_batch_failed(const struct nl_batch *batch)
{
	return batch->has_failed;
}

struct nlmsghdr *nl_batch_begin(struct nl_batch *batch, struct nl *nl, uint16_t type,
	uint16_t flags, struct step *step, int ignored)
{
	struct nlmsghdr *nlh;

	if (batch->count && batch->nl != nl)
		nl_batch_flush(batch);
	batch->nl = nl;
	if (!batch->count)
		batch->first_seq = nl->seq + 1;
	if (batch->size + NL_MESSAGE_BYTES > batch->room_bytes) {
		batch->room_bytes *= 2;
		batch->data = xrealloc(batch->data, batch->room_bytes);
	}
	ARRAY_GROW(batch->messages, batch->count, batch->room);
	batch->messages[batch->count++] = (struct message){ step, batch->size, ignored, false };
	memset(batch->data + batch->size, 0, NL_MESSAGE_BYTES);
	nlh = mnl_nlmsg_put_header(batch->data + batch->size);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++nl->seq;
	return nlh;
}

void nl_batch_drop(struct nl_batch *batch)
{
	batch->count--;
	batch->nl->seq--;
}

/* VLANs that a message puts on a port of a bridge, or takes from it. */
static unsigned count_vlans(const struct nlmsghdr *nlh)
{
	const struct nlattr *spec, *attr;
	unsigned count = 0, first = 0;

	mnl_attr_for_each (spec, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(spec) != IFLA_AF_SPEC)
			continue;
		mnl_attr_for_each_nested (attr, spec) {
			const struct bridge_vlan_info *info = mnl_attr_get_payload(attr);

			if (mnl_attr_get_type(attr) != IFLA_BRIDGE_VLAN_INFO)
				continue;
			if (info->flags & BRIDGE_VLAN_INFO_RANGE_BEGIN)
				first = info->vid;
			count += info->flags & BRIDGE_VLAN_INFO_RANGE_END ? info->vid - first : 1;
		}
	}
	return count;
}

/* What is work for milliseconds, and what it does is more to read than others should wait for. */
static bool is_large(const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	return (nlh->nlmsg_type == RTM_SETLINK || nlh->nlmsg_type == RTM_DELLINK) &&
		ifi->ifi_family == AF_BRIDGE && count_vlans(nlh) > VLANS_LARGE;
}

/*
 * What waits for all processors on a real kernel: links that come, go, move, or go up and down. And what is
 * much in one message.
 */
static bool is_slow(const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if ((nlh->nlmsg_flags & NLM_F_BULK) && nlh->nlmsg_type == RTM_DELNEIGH)
		return true;
	if ((nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK) ||
		ifi->ifi_family != AF_UNSPEC)
		return false;
	if (nlh->nlmsg_type == RTM_DELLINK || (nlh->nlmsg_flags & NLM_F_CREATE) || ifi->ifi_change)
		return true;
	mnl_attr_for_each (attr, nlh, sizeof(*ifi)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == IFLA_MASTER || type == IFLA_NET_NS_FD)
			return true;
	}
	return false;
}

void nl_batch_end(struct nl_batch *batch)
{
	const struct message *last = &batch->messages[batch->count - 1];
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(batch->data + last->offset);

	batch->size += NLMSG_ALIGN(nlh->nlmsg_len);
	batch->is_large |= is_large(nlh);
	batch->is_slow |= batch->is_large || is_slow(nlh);
	if (!batch->is_slow && (batch->size > NL_BATCH_BYTES || batch->count >= self.per_send))
		nl_batch_flush(batch);
}

bool nl_batch_is_slow(const struct nl_batch *batch)
{
	return batch->is_slow;
}

bool nl_batch_is_full(const struct nl_batch *batch)
{
	return batch->is_slow && (batch->is_large || batch->size > SLOW_BATCH_BYTES);
}

static size_t family_header_size(uint16_t type)
{
	switch (type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return sizeof(struct rtmsg);
	default:
		return sizeof(struct ifinfomsg);
	}
}

/* The type of the attribute that holds @offset of a request, not of what is nested in it; 0: none. */
static uint16_t attribute_at(const char *request, uint32_t offset)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)request;
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, family_header_size(nlh->nlmsg_type)) {
		size_t start = (size_t)((const char *)attr - request);

		if (offset >= start && offset < start + attr->nla_len)
			return mnl_attr_get_type(attr);
	}
	return 0;
}

static void fail_step(
	struct nl_batch *batch, struct message *message, int error, const struct extack *extack)
{
	struct step *step = message->step;
	const char *ours = extack && extack->text ? NULL : nl_explain(step, error);
	_cleanup_free_ char *text = ours
		? xasprintf("%s (%s)", ours, strerror(error))
		: xstrdup(extack && extack->text ? extack->text : strerror(error));
	const char *path;

	batch->has_failed = true;
	if (step->error)
		return; /* the first failure of a step tells */
	step->error = -error;
	path = nl_blame(step,
		extack && extack->offset
			? attribute_at(batch->data + message->offset, extack->offset)
			: 0);
	if (error == EPERM || error == EACCES) /* the daemon's lack of rights, not the client's */
		err_tagged(&step->err, ERR_TAG_OPERATION_FAILED, path, "%s", text);
	else
		err_set(&step->err, -error, path, "%s", text);
	if (step->err.tag == ERR_TAG_NONE)
		step->err.tag = ERR_TAG_OPERATION_FAILED;
}

/* Takes one answer; true when it was that of the last message. */
static bool take_answer(struct nl_batch *batch, const struct nlmsghdr *nlh)
{
	uint32_t index = nlh->nlmsg_seq - batch->first_seq;
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);
	struct extack extack;
	struct message *message;

	if (nlh->nlmsg_type != NLMSG_ERROR || index >= batch->count)
		return false;
	message = &batch->messages[index];
	message->is_answered = true;
	parse_extack(nlh, &extack);
	if (error->error && -error->error != message->ignored && message->ignored != NL_ANY_ERROR)
		fail_step(batch, message, -error->error, &extack);
	else if (!error->error && extack.text)
		log_debug("nl", "the kernel warns: %s", extack.text);
	return index + 1 == batch->count;
}

static void collect_answers(struct nl_batch *batch)
{
	for (;;) {
		ssize_t size = receive(batch->nl->request);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)self.buffer;
		int left = (int)size;

		if (size < 0) { /* outcome unknown: whoever compares next will see */
			fail_step(batch, &batch->messages[batch->count - 1], (int)-size, NULL);
			return;
		}
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (take_answer(batch, nlh))
				return;
		}
	}
}

/* Some messages take the kernel a microsecond, others a millisecond: by time, not by size. */
static void adapt(size_t count, uint64_t us)
{
	if (us > SEND_LONG_US && self.per_send > 1)
		self.per_send /= 2;
	else if (us < SEND_SHORT_US && count == self.per_send && count < PER_SEND_MAX)
		self.per_send *= 2;
}

/* What is the same for every way to send it. */
static void prepare(struct nl_batch *batch)
{
	struct nlmsghdr *last =
		(struct nlmsghdr *)(batch->data + batch->messages[batch->count - 1].offset);

	last->nlmsg_flags |= NLM_F_ACK;
	for (size_t i = 0; i < batch->count; i++)
		batch->messages[i].step->is_done = true;
	self.changes += batch->count;
	batch->started_us = clock_us();
}

static void fail_all(struct nl_batch *batch, int error)
{
	for (size_t i = 0; i < batch->count; i++) {
		batch->messages[i].step->is_done = false;
		fail_step(batch, &batch->messages[i], error, NULL);
	}
}

static void settle(struct nl_batch *batch)
{
	log_debug("nl", "sent %zu messages in %llu us%s", batch->count,
		(unsigned long long)(clock_us() - batch->started_us),
		batch->has_failed ? ", refused" : "");
	batch->count = 0;
	batch->size = 0;
	batch->is_slow = batch->is_large = false;
	watch_drain();
}

void nl_batch_flush(struct nl_batch *batch)
{
	if (!batch->count)
		return;
	prepare(batch);
	if (mnl_socket_sendto(batch->nl->request, batch->data, batch->size) < 0)
		fail_all(batch, errno);
	else
		collect_answers(batch);
	adapt(batch->count, clock_us() - batch->started_us);
	settle(batch);
}

bool nl_batch_send(struct nl_batch *batch, void (*done)(void *arg), void *arg)
{
	struct worker_job *job = &batch->job;

	if (!batch->count || !batch->is_slow)
		return false;
	*job = (struct worker_job){
		.fd = mnl_socket_get_fd(batch->nl->slow),
		.data = batch->data,
		.size = batch->size,
		.last_seq = batch->first_seq + (uint32_t)batch->count - 1,
	};
	prepare(batch);
	if (worker_start(job, done, arg) == 0)
		return true;
	self.changes -= batch->count; /* the caller sends them */
	return false;
}

void nl_batch_collect(struct nl_batch *batch)
{
	const struct worker_job *job = &batch->job;
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)job->answers;
	int left = (int)job->answers_size;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		(void)take_answer(batch, nlh);
	if (job->error && !job->answers_size)
		fail_all(batch, -job->error);
	else if (job->error) /* outcome unknown: whoever compares next will see */
		fail_step(batch, &batch->messages[batch->count - 1], -job->error, NULL);
	worker_job_done(&batch->job);
	settle(batch);
}

/* --- requests --------------------------------------------------------------------------------- */

/* -EAGAIN: changed meanwhile, ask again. */
static int take_replies(
	struct mnl_socket *socket, const struct nlmsghdr *request, nl_reply_fn reply, void *arg)
{
	bool interrupted = false, is_dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;

	for (;;) {
		_cleanup_free_ char *copy = NULL;
		ssize_t size = receive(socket);
		const struct nlmsghdr *nlh;
		int left = (int)size, r;

		if (size < 0)
			return (int)size;
		copy = xmemdup(self.buffer, (size_t)size); /* reply() may use the buffer itself */
		for (nlh = (const struct nlmsghdr *)copy; mnl_nlmsg_ok(nlh, left);
			nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq != request->nlmsg_seq)
				continue;
			interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
			if (nlh->nlmsg_type == NLMSG_DONE) {
				r = mnl_nlmsg_get_payload_len(nlh) >= sizeof(int)
					? *(const int *)mnl_nlmsg_get_payload(nlh)
					: 0;
				return r < 0 ? r : interrupted ? -EAGAIN : 0;
			}
			r = reply(nlh, arg);
			if (r < 0)
				return r;
			if (!is_dump && !(request->nlmsg_flags & NLM_F_ACK))
				return 0;
		}
	}
}

static int send_request(struct mnl_socket *socket, struct nlmsghdr *nlh, uint32_t *seq,
	nl_reply_fn reply, void *arg)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < DUMP_TRIES; i++) {
		nlh->nlmsg_flags |= NLM_F_REQUEST;
		nlh->nlmsg_seq = ++*seq;
		if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
			return -errno;
		r = take_replies(socket, nlh, reply, arg);
	}
	return r;
}

int nl_request(struct nl *nl, struct nlmsghdr *nlh, nl_reply_fn reply, void *arg)
{
	return send_request(nl->request, nlh, &nl->seq, reply, arg);
}

/* --- generic netlink -------------------------------------------------------------------------- */

static int open_genl(struct nl *nl)
{
	int own, r = netns_enter(*nl->netns ? nl->fd : -1, &own);

	if (r < 0)
		return r;
	nl->genl = nl_socket(NETLINK_GENERIC, NULL);
	netns_leave(own);
	return nl->genl ? 0 : -EIO;
}

int nl_genl_request(struct nl *nl, struct nlmsghdr *nlh, nl_reply_fn reply, void *arg)
{
	int r = nl->genl ? 0 : open_genl(nl);

	return r < 0 ? r : send_request(nl->genl, nlh, &nl->genl_seq, reply, arg);
}

/* The answer to a request that changes something. */
static int take_outcome(struct mnl_socket *socket, uint32_t seq, struct err *err)
{
	for (;;) {
		ssize_t size = receive(socket);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)self.buffer;
		int left = (int)size, r;

		if (size < 0)
			return err_set(err, (int)size, NULL, "%s", strerror((int)-size));
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			struct extack extack;

			if (nlh->nlmsg_seq != seq || nlh->nlmsg_type != NLMSG_ERROR)
				continue;
			parse_extack(nlh, &extack);
			r = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
			return r < 0 ? err_set(err, r, NULL, "%s",
					       extack.text ? extack.text : strerror(-r))
				     : 0;
		}
	}
}

int nl_genl_change(struct nl *nl, struct nlmsghdr *nlh, struct err *err)
{
	int r = nl->genl ? 0 : open_genl(nl);

	if (r < 0)
		return err_set(err, r, NULL, "%s", strerror(-r));
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++nl->genl_seq;
	nl_count_change();
	if (mnl_socket_sendto(nl->genl, nlh, nlh->nlmsg_len) < 0)
		return err_set(err, -errno, NULL, "%s", strerror(errno));
	return take_outcome(nl->genl, nlh->nlmsg_seq, err);
}

struct family {
	const char *group; /* asked for; NULL: the family */
	int number;	   /* of what was asked for */
};

static void take_groups(struct family *family, const struct nlattr *groups)
{
	const struct nlattr *entry, *attr;

	mnl_attr_for_each_nested (entry, groups) {
		const char *name = "";
		uint32_t number = 0;

		mnl_attr_for_each_nested (attr, entry) {
			if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
				mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
				name = mnl_attr_get_str(attr);
			else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID &&
				mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				number = mnl_attr_get_u32(attr);
		}
		if (str_equal(name, family->group))
			family->number = (int)number;
	}
}

static int take_family(const struct nlmsghdr *nlh, void *arg)
{
	struct family *family = arg;
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct genlmsghdr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (!family->group && type == CTRL_ATTR_FAMILY_ID &&
			mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
			family->number = mnl_attr_get_u16(attr);
		else if (family->group && type == CTRL_ATTR_MCAST_GROUPS)
			take_groups(family, attr);
	}
	return 0;
}

static int ask_family(const char *name, const char *group)
{
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct family family = { group, -ENOENT };
	struct genlmsghdr *genl;
	int r;

	nlh->nlmsg_type = GENL_ID_CTRL;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = CTRL_CMD_GETFAMILY;
	genl->version = 1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	r = nl_genl_request(nl_of(""), nlh, take_family, &family);
	return r < 0 ? r : family.number;
}

int nl_genl_family(const char *name)
{
	return ask_family(name, NULL);
}

int nl_genl_group(const char *family, const char *group)
{
	return ask_family(family, group);
}

uint64_t nl_number(const struct nlattr *attr)
{
	switch (mnl_attr_get_payload_len(attr)) {
	case 1:
		return mnl_attr_get_u8(attr);
	case 2:
		return mnl_attr_get_u16(attr);
	case 4:
		return mnl_attr_get_u32(attr);
	case 8:
		return mnl_attr_get_u64(attr);
	}
	return 0;
}
