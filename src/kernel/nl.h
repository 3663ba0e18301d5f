/*
 * Netlink: sockets of a network namespace, batches of modifying messages, dumps.
 *
 * A batch is one buffer of messages sent together, the last one acknowledged; a failing message always
 * answers for itself, by its sequence number, and that tells which step failed. The kernel executes a
 * batch within send(): when nl_batch_flush() returns, all of it has happened. What would hold up the loop
 * for long is sent by a thread: nl_batch_send().
 */
#ifndef ASHLAR_KERNEL_NL_H
#define ASHLAR_KERNEL_NL_H

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdint.h>

#include "ashlar/err.h"
#include "ashlar/kernel.h"
#include "ashlar/map.h"
#include "ashlar/object.h"

#define NL_BATCH_BYTES	 16384 /* sent together at most */
#define NL_MESSAGE_BYTES 4096  /* one message at most */

/* The sockets of one network namespace. */
struct nl {
	char *netns; /* "" for the daemon's own */
	int fd;	     /* of the namespace */
	struct mnl_socket *request, *events;
	struct mnl_socket *slow; /* the worker's: see nl_batch_send() */
	struct mnl_socket *genl; /* NULL until it is needed */
	uint32_t genl_seq;
	struct loop_watch *watch;
	uint32_t seq;
	struct map names; /* ifindex → struct nl_name: names of links, also those not in have */
};

struct nl_batch;

/* The daemon's own namespace is "" and always open; others are opened by netns.c. NULL: not open. */
struct nl *nl_of(const char *netns);
/* @netns_fd (-1: our own) is owned from here on, whatever the result. */
int nl_open(const char *netns, int netns_fd, struct nl **ret_nl, struct err *err) WARN_UNUSED;
void nl_close(struct nl *nl);
/* Goes through the open ones: index from 0; NULL at the end. */
struct nl *nl_at(size_t index);

/* --- modifying -------------------------------------------------------------------------------- */

#define NL_ANY_ERROR (-1)

struct nl_batch *nl_batch_new(void);
void nl_batch_free(struct nl_batch *batch);
/*
 * Begins a message in @nl (another namespace than the messages before: those are flushed first) for
 * @step. The family header (ifinfomsg …) comes by mnl_nlmsg_put_extra_header(), attributes by
 * mnl_attr_put*(); at most NL_MESSAGE_BYTES. Errors @ignored (positive errno, 0: none, NL_ANY_ERROR) count
 * as success: ENODEV when removing. NLM_F_REQUEST is added.
 */
struct nlmsghdr *nl_batch_begin(struct nl_batch *batch, struct nl *nl, uint16_t type,
	uint16_t flags, struct step *step, int ignored);
/* Takes back the message that was begun last and not ended. */
void nl_batch_drop(struct nl_batch *batch);
/* Ends the message; sends what has gathered when it is enough. */
void nl_batch_end(struct nl_batch *batch);
/* Sends and takes all answers: sets is_done, error and err of the steps concerned. */
void nl_batch_flush(struct nl_batch *batch);
/*
 * The same for a batch that holds something slow: sent by a thread. true: @done will be called from the loop,
 * and then nl_batch_collect() sets the steps. false: there is nothing slow in it, use nl_batch_flush().
 */
bool nl_batch_send(struct nl_batch *batch, void (*done)(void *arg), void *arg);
void nl_batch_collect(struct nl_batch *batch);
/* Whether it holds something slow, and whether that is as much as should be sent at once. */
bool nl_batch_is_slow(const struct nl_batch *batch);
bool nl_batch_is_full(const struct nl_batch *batch);
/* Has a step of this batch failed so far? (Only known after a flush.) */
bool nl_batch_failed(const struct nl_batch *batch);
/* Whether the batch was marked before; marks it, for the one who needs to know what it has done. */
bool nl_batch_mark(struct nl_batch *batch);
/* Counts one modification made by other means (a sysctl). */
void nl_count_change(void);

/*
 * The plain words for an errno that comes without the kernel's own (facts about each operation are in
 * the object files): called with the step and the errno; NULL: strerror. And the node at fault for the
 * attribute of the message that the kernel points at (0: at none); NULL: the object's.
 */
const char *nl_explain(const struct step *step, int error);
const char *nl_blame(const struct step *step, uint16_t attribute);

/* --- reading ---------------------------------------------------------------------------------- */

typedef int (*nl_reply_fn)(const struct nlmsghdr *nlh, void *arg);
/*
 * Sends a request (built in a buffer of NL_MESSAGE_BYTES by mnl_nlmsg_put_header()) and calls @reply for
 * each answer. With NLM_F_DUMP in its flags: all of them, again when the kernel says that things changed
 * meanwhile. -errno of the kernel.
 */
int nl_request(struct nl *nl, struct nlmsghdr *nlh, nl_reply_fn reply, void *arg) WARN_UNUSED;

/* Number of a generic netlink family by name, asked each time; < 0: the kernel has it not. */
int nl_genl_family(const char *name);
/* Number of a multicast group of it, likewise. */
int nl_genl_group(const char *family, const char *group);
/* A socket like those of struct nl, in our own namespace. */
struct mnl_socket *nl_socket(int protocol, struct err *err);
/* As nl_request(). */
int nl_genl_request(struct nl *nl, struct nlmsghdr *nlh, nl_reply_fn reply, void *arg) WARN_UNUSED;
/* A request that changes something, counted as such: -errno with the kernel's words, if it has any. */
int nl_genl_change(struct nl *nl, struct nlmsghdr *nlh, struct err *err) WARN_UNUSED;

/* An unsigned attribute of whatever width, 0 if that is none. */
uint64_t nl_number(const struct nlattr *attr);

/* --- names ------------------------------------------------------------------------------------ */

/* Configured name of a link by its ifindex; NULL: unknown, or none of our business. */
const char *nl_name_of(struct nl *nl, uint32_t ifindex);
/* NULL: it is gone; "": its number is taken, by something that is none of our business. */
void nl_name_set(struct nl *nl, uint32_t ifindex, const char *name);
bool nl_index_is_taken(const struct nl *nl, uint32_t ifindex);

/* --- objects' side ---------------------------------------------------------------------------- */

/* What each object file of this folder gives; a table in kernel.c. */
struct nl_object {
	const struct object_kind *kind;
	/* Messages of the step into the batch; -errno (with step->err set) when it cannot be said. */
	int (*encode)(struct nl_batch *batch, struct step *step);
	/* Instead: as many of the steps (all of this target, the first of this kind) as fit into one message;
	 * returns how many, sets their errors itself. NULL: encode() each. */
	size_t (*encode_run)(struct nl_batch *batch, struct step *const *steps, size_t count);
	/* The rtnetlink types it reads (RTM_NEWLINK …), 0 at the end: from dumps and events alike. */
	const uint16_t *types;
	/* One message into have. @is_event: it tells of a change, not of a state asked for. */
	void (*seen)(struct nl *nl, const struct nlmsghdr *nlh, bool is_event);
	/* Asks for all there is in a namespace (seen() is called for each by nl_request()); what was not
	 * seen again is removed from have by the caller: see watch.c. May be NULL. */
	int (*dump)(struct nl *nl, struct err *err);
	const char *(*explain)(const struct step *step, int error);	   /* may be NULL */
	const char *(*blame)(const struct step *step, uint16_t attribute); /* may be NULL */
};

extern const struct nl_object link_object, link_up_object, address_object, route_object,
	bridge_vlan_object, bridge_stp_off_object, bridge_multicast_object, bridge_mdb_object,
	bridge_fdb_object, neighbour_object, sysctl_object, netns_object, wireguard_object,
	ethernet_object, link_local_object;

/* The table's row of a kind. */
const struct nl_object *nl_object_of(const struct object_kind *kind);
/* Reads the sockets' events until they are empty (after own batches). */
void watch_drain(void);
/* Dumps everything of a namespace into have; drops what is not there any more. */
int watch_dump(struct nl *nl, struct err *err) WARN_UNUSED;
/* Monotonic time at which the messages at hand were read: asking the clock for each would cost more than the
 * rest of what is done about it. */
uint64_t watch_now_ms(void);
/* The same of generic netlink, in our own namespace (genl-events.c). */
int genl_events_start(struct err *err) WARN_UNUSED;
void genl_events_done(void);
/* Joins the groups and begins to listen. */
int watch_start(struct nl *nl, struct err *err) WARN_UNUSED;
/* Name of the namespace an observed object of this folder lives in; "" for the daemon's own. By its link. */
const char *object_netns(const struct object *object);
/* Marks an observed object as seen in the dump that runs (all that have_put() is called for). */
void watch_put(struct nl *nl, struct object *observed);
/* It is about to be removed from have, by what the dump of its kind tells. */
void watch_forget(struct nl *nl, const char *key);

/* --- links (link.c) --------------------------------------------------------------------------- */

/* ifindex of a link by its configured name: observed, or chosen for it in the batch at hand; 0: unknown.
 * *ret_nl (may be NULL) is the namespace it lives in. */
uint32_t link_index(const char *name, struct nl **ret_nl);

#endif
