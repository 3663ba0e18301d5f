/*
 * IPv4 link-local addresses (RFC 3927): an address of 169.254.0.0/16 that nobody else on the link has. It is
 * probed for, announced, and defended once against another host that uses it; a second conflict within ten
 * seconds, or one while probing, makes us try the next.
 *
 *	down -(carrier)-> probing -(nobody answers)-> bound -(another host insists)-> probing
 *
 * The sequence of candidates is made from the MAC address, so that a device that comes back finds the same
 * address in the same network without a record of it (section 2.1). The address itself is in the kernel and
 * bears a protocol number of its own, by which a restarted daemon finds it and goes on defending it.
 *
 * An address is there only while the link has a carrier, for with the carrier the link may have changed
 * (section 2.2).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "arp.h"
#include "kernel-private.h"
#include "link-local.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11
#endif

/* Section 9. */
#define PROBE_WAIT_MS	       1000
#define PROBE_NUM	       3
#define PROBE_MIN_MS	       1000
#define PROBE_MAX_MS	       2000
#define ANNOUNCE_WAIT_MS       2000
#define ANNOUNCE_NUM	       2
#define ANNOUNCE_INTERVAL_MS   2000
#define MAX_CONFLICTS	       10
#define RATE_LIMIT_INTERVAL_MS 60000
#define DEFEND_INTERVAL_MS     10000

#define PREFIX_LENGTH	 16
#define FIRST		 0xa9fe0100U /* 169.254.1.0, host order */
#define LAST		 0xa9fefeffU /* 169.254.254.255 */
#define PACKETS_PER_TURN 16
#define PACKET_BYTES	 64

struct job {
	char link[KERNEL_NAME_MAX];
	struct in_addr requested, addr; /* 0: none */
	enum link_local_state state;
	uint32_t ifindex; /* that the socket listens to */
	int fd;		  /* -1 while down */
	struct loop_watch *watch;
	struct loop_timer *timer;
	uint64_t sequence;    /* of candidates */
	uint64_t conflict_ms; /* the last one while bound; 0: none */
	unsigned sent;	      /* probes or announcements */
	unsigned conflicts;
};

static struct map jobs; /* name of the link → struct job */

/* --- chance ------------------------------------------------------------------------------------ */

static uint64_t random_ms(uint64_t from, uint64_t to)
{
	uint32_t value = 0;

	(void)!getrandom(&value, sizeof(value), GRND_INSECURE); /* no secret */
	return from + value % (to - from + 1);
}

/* SplitMix64: equal seeds give equal sequences. */
static uint64_t next_number(uint64_t *sequence)
{
	uint64_t value = *sequence += 0x9e3779b97f4a7c15U;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
	value = (value ^ value >> 27) * 0x94d049bb133111ebU;
	return value ^ value >> 31;
}

static void seed(struct job *job, const uint8_t mac[6])
{
	job->sequence = 0;
	memcpy(&job->sequence, mac, 6);
}

static void choose(struct job *job)
{
	uint32_t offset = (uint32_t)(next_number(&job->sequence) % (LAST - FIRST + 1));

	job->addr.s_addr = htonl(FIRST + offset);
}

/* --- the kernel's side ------------------------------------------------------------------------- */

static const struct link *link_of(const struct job *job)
{
	return have_get(have_all(), &object_kind_link, job->link);
}

static int set_address(struct job *job, bool is_there)
{
	const struct link *link = link_of(job);
	struct nl *nl = link ? nl_of(link_netns(link)) : NULL;
	char buffer[NL_MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *ifa;

	if (!nl)
		return -ENODEV;
	nlh->nlmsg_type = is_there ? RTM_NEWADDR : RTM_DELADDR;
	nlh->nlmsg_flags = NLM_F_ACK | (is_there ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = PREFIX_LENGTH;
	ifa->ifa_index = link->ifindex;
	ifa->ifa_scope = RT_SCOPE_LINK;
	mnl_attr_put(nlh, IFA_LOCAL, sizeof(job->addr), &job->addr);
	mnl_attr_put(nlh, IFA_ADDRESS, sizeof(job->addr), &job->addr);
	if (is_there)
		mnl_attr_put_u8(nlh, IFA_PROTO, KERNEL_PROTOCOL_LINK_LOCAL);
	nl_count_change();
	/* What it does is heard of later: a job that is at work here must not be ended by an event. */
	return nl_request(nl, nlh, NULL, NULL);
}

static bool is_link_local(const struct address *address)
{
	return address->family == AF_INET && address->protocol == KERNEL_PROTOCOL_LINK_LOCAL;
}

/* That of an earlier run. */
static bool find_address(const char *link, struct in_addr *ret_addr)
{
	void *const *addresses;
	size_t count = have_group(have_all(), &object_kind_address, link, &addresses);

	for (size_t i = 0; i < count; i++) {
		const struct address *address = addresses[i];

		if (!is_link_local(address))
			continue;
		*ret_addr = address->in;
		return true;
	}
	return false;
}

/* --- what is observed -------------------------------------------------------------------------- */

static void tell(const struct job *job)
{
	struct link_local *seen = object_new(&object_kind_link_local, job->link);

	seen->requested = job->requested;
	seen->state = job->state;
	seen->addr = job->addr;
	have_put(&seen->object);
}

/* --- packets ----------------------------------------------------------------------------------- */

/* Only what speaks of the candidate wakes us: whether it is a conflict is looked at later. */
static void listen_for(struct job *job)
{
	uint32_t addr = ntohl(job->addr.s_addr);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 14), /* sender's IP address */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, addr, 2, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 24), /* target's */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, addr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PACKET_BYTES),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };

	if (setsockopt(job->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		log_debug("link-local", "%s: no filter: %s", job->link, strerror(errno));
}

static void send_packet(const struct job *job, bool is_probe)
{
	static const struct in_addr none;
	const struct link *link = link_of(job);
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = (int)job->ifindex,
		.sll_halen = ETHER_ADDR_LEN,
		.sll_addr = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	};
	uint8_t packet[ARP_BYTES];

	if (!link)
		return;
	arp_request(packet, link->mac, is_probe ? none : job->addr, job->addr);
	if (sendto(job->fd, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&to,
		    sizeof(to)) < 0)
		log_debug("link-local", "%s: %s", job->link, strerror(errno)); /* as if lost */
}

/* --- the course of it -------------------------------------------------------------------------- */

static void probe_after(struct job *job, uint64_t wait_ms)
{
	job->state = LINK_LOCAL_PROBING;
	job->sent = 0;
	job->conflict_ms = 0;
	listen_for(job);
	loop_timer_start(job->timer, wait_ms);
	tell(job);
}

static void try_next(struct job *job)
{
	struct in_addr last = job->addr;

	while (job->addr.s_addr == last.s_addr)
		choose(job);
	probe_after(job,
		++job->conflicts < MAX_CONFLICTS ? random_ms(0, PROBE_WAIT_MS)
						 : RATE_LIMIT_INTERVAL_MS);
}

static void announce(struct job *job)
{
	send_packet(job, false);
	if (++job->sent < ANNOUNCE_NUM)
		loop_timer_start(job->timer, ANNOUNCE_INTERVAL_MS);
}

static void claim(struct job *job)
{
	int r;

	job->state = LINK_LOCAL_BOUND;
	job->sent = 0;
	r = set_address(job, true);
	if (r < 0) {
		if (r != -ENODEV)
			log_warning("link-local", "%s does not take its address: %s", job->link,
				strerror(-r));
		probe_after(job, RATE_LIMIT_INTERVAL_MS);
		return;
	}
	tell(job);
	announce(job);
}

static void on_timer(void *arg)
{
	struct job *job = arg;

	if (job->state == LINK_LOCAL_BOUND) {
		announce(job);
	} else if (job->sent == PROBE_NUM) {
		claim(job);
	} else {
		send_packet(job, true);
		loop_timer_start(job->timer,
			++job->sent == PROBE_NUM ? ANNOUNCE_WAIT_MS
						 : random_ms(PROBE_MIN_MS, PROBE_MAX_MS));
	}
}

/* The address is taken back; so that its end is known to be ours, the state changes before. */
static void give_up(struct job *job, enum link_local_state state)
{
	bool was_bound = job->state == LINK_LOCAL_BOUND;
	int r;

	job->state = state;
	loop_timer_stop(job->timer);
	r = was_bound ? set_address(job, false) : 0;
	if (r < 0 && r != -EADDRNOTAVAIL && r != -ENODEV)
		log_debug("link-local", "%s: %s", job->link, strerror(-r));
}

static void defend(struct job *job)
{
	uint64_t now_ms = clock_ms();
	bool insists = job->conflict_ms && now_ms - job->conflict_ms < DEFEND_INTERVAL_MS;

	job->conflict_ms = now_ms;
	if (!insists) {
		send_packet(job, false);
		return;
	}
	log_notice("link-local", "event=link-local-conflict link=%s", job->link);
	give_up(job, LINK_LOCAL_PROBING);
	try_next(job);
}

static void take_packet(struct job *job, const uint8_t *packet, size_t size)
{
	const struct link *link = link_of(job);
	enum arp_claim claimed =
		link ? arp_claim(packet, size, link->mac, job->addr) : ARP_CLAIM_NONE;

	if (job->state == LINK_LOCAL_PROBING && claimed != ARP_CLAIM_NONE)
		try_next(job);
	else if (job->state == LINK_LOCAL_BOUND && claimed == ARP_CLAIM_USE)
		defend(job); /* to a probe the kernel answers */
}

static void on_packet(unsigned events, void *arg)
{
	struct job *job = arg;

	for (int i = 0; i < PACKETS_PER_TURN && job->fd >= 0; i++) {
		uint8_t packet[PACKET_BYTES];
		struct sockaddr_ll from = { 0 };
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(job->fd, packet, sizeof(packet), MSG_DONTWAIT,
			(struct sockaddr *)&from, &length);

		if (size < 0)
			return;
		if (from.sll_pkttype != PACKET_OUTGOING)
			take_packet(job, packet, (size_t)size);
	}
}

/* --- the link ---------------------------------------------------------------------------------- */

static void stop_listening(struct job *job)
{
	loop_watch_free(TAKE(job->watch));
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	job->ifindex = 0;
}

static int start_listening(struct job *job, const struct link *link)
{
	struct sockaddr_ll from = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = (int)link->ifindex };
	struct nl *nl = nl_of(link_netns(link));
	int own, r = nl ? netns_enter(*nl->netns ? nl->fd : -1, &own) : -ENODEV;

	if (r < 0)
		return r;
	job->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (job->fd < 0)
		r = -errno;
	netns_leave(own);
	if (r == 0 && bind(job->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		r = -errno;
	if (r < 0) {
		stop_listening(job);
		return r;
	}
	job->ifindex = link->ifindex;
	job->watch = loop_watch_new("link-local", job->fd, LOOP_READ, on_packet, job);
	return 0;
}

static bool can_talk(const struct link *link)
{
	return (link->flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING) &&
		!(link->flags & (IFF_NOARP | IFF_LOOPBACK)) && link->arptype == ARPHRD_ETHER;
}

static void go_down(struct job *job)
{
	give_up(job, LINK_LOCAL_DOWN);
	stop_listening(job);
	tell(job);
}

/* What it had before is tried first. */
static void go_up(struct job *job, const struct link *link)
{
	int r = start_listening(job, link);

	if (r < 0) {
		log_warning("link-local", "%s: cannot listen: %s", job->link, strerror(-r));
		return;
	}
	if (!job->sequence)
		seed(job, link->mac);
	if (!job->addr.s_addr)
		job->addr = job->requested;
	if (!job->addr.s_addr)
		choose(job);
	probe_after(job, random_ms(0, PROBE_WAIT_MS));
}

/* An address that is there already, from before the daemon started or before what is being undone. */
static void go_on(struct job *job, const struct link *link, struct in_addr addr, bool is_there)
{
	if (start_listening(job, link) < 0)
		return;
	seed(job, link->mac);
	job->addr = addr;
	job->state = LINK_LOCAL_BOUND;
	job->sent = ANNOUNCE_NUM;
	listen_for(job);
	if (!is_there && set_address(job, true) < 0)
		probe_after(job, 0);
	else
		tell(job);
}

void link_local_link_seen(const struct link *link)
{
	struct job *job = jobs.count ? map_get_str(&jobs, link->object.key) : NULL;

	if (!job)
		return;
	if (job->fd >= 0 && (!can_talk(link) || job->ifindex != link->ifindex))
		go_down(job);
	if (job->fd < 0 && can_talk(link))
		go_up(job, link);
}

void link_local_address_gone(const char *link, struct in_addr addr)
{
	struct job *job = jobs.count ? map_get_str(&jobs, link) : NULL;

	if (!job || job->state != LINK_LOCAL_BOUND || job->addr.s_addr != addr.s_addr)
		return;
	job->state = LINK_LOCAL_PROBING; /* it is ours still, and nobody has said otherwise */
	job->sent = PROBE_NUM;
	loop_timer_start(job->timer, 0);
}

/* --- wanted and not ---------------------------------------------------------------------------- */

static void job_free(struct job *job)
{
	stop_listening(job);
	loop_timer_free(job->timer);
	free(job);
}

void link_local_forget(const char *link)
{
	struct job *job = jobs.count ? map_del_str(&jobs, link) : NULL;

	if (!job)
		return;
	have_remove(&object_kind_link_local, link);
	job_free(job);
}

void link_local_done(void)
{
	struct job *job;
	size_t at = 0;

	while ((job = map_next(&jobs, &at)))
		job_free(job);
	map_done(&jobs);
	memset(&jobs, 0, sizeof(jobs));
}

static void begin(const struct link_local *want, const struct link *link)
{
	struct job *job = XNEW(struct job);
	bool is_former = !want->object.want && want->state == LINK_LOCAL_BOUND, is_there;
	struct in_addr addr = want->addr;

	snprintf(job->link, sizeof(job->link), "%s", want->object.key);
	job->requested = want->requested;
	job->fd = -1;
	job->timer = loop_timer_new("link-local", on_timer, job);
	map_put_str(&jobs, job->link, job);
	is_there = find_address(job->link, &addr);
	if (can_talk(link) && (is_there || is_former)) {
		go_on(job, link, addr, is_there);
	} else if (is_there) { /* the carrier went while nobody looked */
		job->addr = addr;
		job->state = LINK_LOCAL_BOUND;
		give_up(job, LINK_LOCAL_DOWN);
	}
	if (job->fd < 0)
		tell(job);
	link_local_link_seen(link);
}

static void change(struct job *job, const struct link_local *want)
{
	job->requested = want->requested;
	if (!want->requested.s_addr || want->requested.s_addr == job->addr.s_addr) {
		tell(job);
		return;
	}
	give_up(job, LINK_LOCAL_DOWN);
	job->addr = want->requested;
	if (job->fd >= 0)
		probe_after(job, random_ms(0, PROBE_WAIT_MS));
	else
		tell(job);
}

static int link_local_encode(struct nl_batch *batch, struct step *step)
{
	const struct link_local *want = (const struct link_local *)step->want;
	const char *name = (want ? &want->object : step->have)->key;
	const struct link *link;
	struct job *job;

	nl_batch_flush(batch);
	link = have_get(have_all(), &object_kind_link, name);
	job = map_get_str(&jobs, name);
	if (!want) {
		if (job)
			give_up(job, LINK_LOCAL_DOWN);
		link_local_forget(name);
		watch_drain();
	} else if (!link) {
		return err_set(&step->err, -ENODEV, NULL, "%s does not exist", name);
	} else if (job) {
		change(job, want);
	} else {
		begin(want, link);
	}
	step->is_done = true;
	return 0;
}

/* --- the kind ---------------------------------------------------------------------------------- */

static enum object_diff link_local_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct link_local *a = (const struct link_local *)want;
	const struct link_local *b = (const struct link_local *)have;

	return a->requested.s_addr == b->requested.s_addr ? OBJECT_SAME : OBJECT_CHANGE;
}

static void link_local_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "IPv4 link-local address of %s", object->key);
}

static enum object_owner link_local_owner(const struct object *have)
{
	return OBJECT_OURS;
}

const struct object_kind object_kind_link_local = {
	.name = "link-local",
	.rank = KERNEL_RANK_LINK_LOCAL,
	.size = sizeof(struct link_local),
	.target = &kernel_target,
	.compare = link_local_compare,
	.describe = link_local_describe,
	.owner = link_local_owner,
};

const struct nl_object link_local_object = {
	.kind = &object_kind_link_local,
	.encode = link_local_encode,
};
