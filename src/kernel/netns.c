/*
 * Named network namespaces: the ends of links that containers get live there. A name is a file that the
 * namespace is mounted on, so that it outlives the daemon and whoever works in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "kernel-private.h"

#define OWN_NETNS "/proc/thread-self/ns/net"
#define LOOPBACK  1 /* its number in every namespace */

static char *dir;

void netns_set_dir(const char *path)
{
	free(dir);
	dir = xstrdup(path);
}

char *netns_path(const char *name)
{
	return file_join(dir ? dir : "/run/ashlar/netns", name);
}

int netns_enter(int fd, int *ret_own)
{
	_cleanup_close_ int own = -1;

	*ret_own = -1;
	if (fd < 0)
		return 0;
	own = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	*ret_own = TAKE_FD(own);
	return 0;
}

void netns_leave(int own)
{
	if (own < 0)
		return;
	if (setns(own, CLONE_NEWNET) < 0)
		abort(); /* everything from here on would happen in the wrong namespace */
	close(own);
}

static enum object_diff netns_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void netns_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "network namespace %s", object->key);
}

/* The links in it do not: ports are taken back, others are deleted before. */
static bool netns_vanishes(const struct object *have)
{
	return false;
}

/* The directory is ours alone. */
static enum object_owner netns_owner(const struct object *have)
{
	return OBJECT_OURS;
}

const struct object_kind object_kind_netns = {
	.name = "netns",
	.rank = KERNEL_RANK_NETNS,
	.size = sizeof(struct netns),
	.target = &kernel_target,
	.compare = netns_compare,
	.vanishes = netns_vanishes,
	.is_removed_last = true,
	.describe = netns_describe,
	.owner = netns_owner,
};

/* --- life of one ------------------------------------------------------------------------------- */

static void drop(const char *path)
{
	if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL) /* EINVAL: nothing is mounted there */
		log_debug("netns", "%s: %s", path, strerror(errno));
	if (unlink(path) < 0 && errno != ENOENT)
		log_debug("netns", "%s: %s", path, strerror(errno));
}

/* Listens to the namespace mounted on @path and has it observed. */
static int open_netns(const char *name, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;
	struct nl *nl = NULL;

	if (fd < 0)
		return err_set(err, -errno, NULL, "cannot open %s: %s", path, strerror(errno));
	r = nl_open(name, fd, &nl, err);
	if (r == 0)
		r = watch_start(nl, err);
	if (r < 0) {
		nl_close(nl);
		return r;
	}
	have_put(object_new(&object_kind_netns, name));
	return 0;
}

/* The new namespace lives on in the mount; this thread goes back to the old one. */
static int mount_new(const char *path)
{
	_cleanup_close_ int own = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	int file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600), r = 0;

	if (file >= 0)
		close(file);
	if (own < 0 || file < 0)
		return -errno;
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	if (mount(OWN_NETNS, path, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	netns_leave(TAKE_FD(own));
	return r;
}

static int make(struct nl_batch *batch, struct step *step)
{
	const char *name = step->want->key;
	_cleanup_free_ char *path = netns_path(name);
	struct ifinfomsg *ifi;
	int r;

	nl_batch_flush(batch);
	if (!dir)
		netns_set_dir("/run/ashlar/netns");
	r = file_make_dirs(dir, 0755, &step->err);
	if (r < 0)
		return r;
	drop(path);
	nl_count_change();
	r = mount_new(path);
	if (r < 0) {
		drop(path);
		return err_set(
			&step->err, r, NULL, "cannot make a network namespace: %s", strerror(-r));
	}
	step->is_done = true;
	r = open_netns(name, path, &step->err);
	if (r < 0) {
		drop(path);
		return r;
	}
	ifi = mnl_nlmsg_put_extra_header(
		nl_batch_begin(batch, nl_of(name), RTM_NEWLINK, 0, step, 0), sizeof(*ifi));
	ifi->ifi_index = LOOPBACK;
	ifi->ifi_change = ifi->ifi_flags = IFF_UP;
	nl_batch_end(batch);
	return 0;
}

static void unmake(struct nl_batch *batch, struct step *step)
{
	const char *name = step->have->key;
	_cleanup_free_ char *path = netns_path(name), *key = xstrdup(name);
	struct nl *nl;
	struct link *link;
	size_t at = 0;

	nl_batch_flush(batch);
	nl = nl_of(name);
	while (nl && (link = have_next(have_all(), &object_kind_link, &at))) {
		if (!str_equal(link->netns, name))
			continue;
		link_forget(link->object.key);
		at = 0;
	}
	nl_close(nl);
	drop(path);
	nl_count_change();
	step->is_done = true;
	have_remove(&object_kind_netns, key);
}

static int netns_encode(struct nl_batch *batch, struct step *step)
{
	if (step->op != STEP_REMOVE)
		return make(batch, step);
	unmake(batch, step);
	return 0;
}

/* --- those that are there ---------------------------------------------------------------------- */

static bool is_netns(const char *path)
{
	struct statfs info;

	return statfs(path, &info) == 0 && info.f_type == NSFS_MAGIC;
}

int netns_find(struct err *err)
{
	DIR *entries = dir ? opendir(dir) : NULL;
	struct dirent *entry;
	int r = 0;

	if (!entries)
		return 0; /* there have never been any */
	while (r == 0 && (entry = readdir(entries))) {
		_cleanup_free_ char *path = netns_path(entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		if (is_netns(path))
			r = open_netns(entry->d_name, path, err);
		else
			drop(path); /* its mount went with another mount namespace */
	}
	closedir(entries);
	return r;
}

const struct nl_object netns_object = {
	.kind = &object_kind_netns,
	.encode = netns_encode,
};
