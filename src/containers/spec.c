/*
 * A wanted container → the config.json that crun runs. The root file system is the image's, read-only
 * and shared by all containers of the image; what a program wants to write to is tmpfs (/tmp, /run,
 * /var/tmp, /dev/shm and the volumes that the image declares) or a volume. Namespaces are the
 * container's own but for the network, which is the one it is given, or the daemon's.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/buf.h"
#include "ashlar/file.h"
#include "ashlar/str.h"
#include "digest.h"
#include "seccomp.h"
#include "spec.h"

#define PATH_DEFAULT  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define GLOB_MAX      64
#define PIDS_MAX      4096
#define CPU_PERIOD_US 100000
#define BIT(number)   (1ULL << (number))

/* By number. */
static const char *const capability_names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

/* What usual images need to switch to their user and to own their files. */
static const uint64_t default_capabilities = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) |
	BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_KILL) | BIT(CAP_NET_BIND_SERVICE) |
	BIT(CAP_SETFCAP) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_SETUID) |
	BIT(CAP_SYS_CHROOT);

/* What every container has mounted; configuration may put something else at the same place. */
static const struct {
	const char *target, *type, *source;
	const char *options; /* separated by commas */
} default_mounts[] = {
	{ "/proc", "proc", "proc", "nosuid,noexec,nodev" },
	{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
	{ "/dev/pts", "devpts", "devpts",
		"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
	{ "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k" },
	{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
	{ "/run", "tmpfs", "tmpfs", "nosuid,nodev,mode=755,size=65536k" },
	{ "/tmp", "tmpfs", "tmpfs", "nosuid,nodev,mode=1777,size=65536k" },
	{ "/var/tmp", "tmpfs", "tmpfs", "nosuid,nodev,mode=1777,size=65536k" },
};

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/firmware",
	"/sys/dev/block",
	"/sys/fs/selinux",
};

static const char *const readonly_paths[] = {
	"/proc/bus",
	"/proc/fs",
	"/proc/irq",
	"/proc/sys",
	"/proc/sysrq-trigger",
};

int spec_capability(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(capability_names); i++)
		if (strcasecmp(capability_names[i], name) == 0)
			return (int)i;
	return -ENOENT;
}

static uint64_t capabilities_of(const struct spec_input *input)
{
	const struct container *container = input->container;
	uint64_t wanted = container->is_privileged ? BIT(ARRAY_SIZE(capability_names)) - 1
						   : default_capabilities | container->cap_add;

	return wanted & ~container->cap_drop & input->capability_bounds;
}

static json_t *strings_json(const char *const *strings, size_t count)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < count; i++)
		json_array_append_new(list, json_string(strings[i]));
	return list;
}

/* --- process -------------------------------------------------------------------------------------- */

static void append_strings(json_t *list, char *const *strings)
{
	for (; *strings; strings++)
		json_array_append_new(list, json_string(*strings));
}

static json_t *args_json(const struct container *container, const struct unpacked *image)
{
	json_t *args = json_array();

	if (container->command) {
		_cleanup_free_ char *command = xstrdup(container->command);
		char *at = command, *word;

		while ((word = strsep(&at, " ")))
			if (word[0])
				json_array_append_new(args, json_string(word));
	} else {
		append_strings(args, image->config.entrypoint);
		append_strings(args, image->config.cmd);
	}
	return args;
}

char *spec_cmdline(const struct container *container, const struct unpacked *image)
{
	json_t *args = args_json(container, image), *arg;
	struct buf text = { 0 };
	size_t i;

	/* Without a ceiling, appending does not fail. */
	json_array_foreach(args, i, arg)(void) !buf_printf(
		&text, "%s%s", i ? " " : "", json_string_value(arg));
	json_decref(args);
	return text.length ? buf_take(&text) : xstrdup("");
}

static bool has_variable(const struct container *container, const char *setting)
{
	size_t length = strcspn(setting, "="), i;

	for (i = 0; i < container->env_count; i++)
		if (strlen(container->env[i].key) == length &&
			strncmp(container->env[i].key, setting, length) == 0)
			return true;
	return false;
}

static json_t *env_json(const struct container *container, const struct unpacked *image)
{
	json_t *list = json_array();
	bool has_path = has_variable(container, "PATH");
	char *const *setting;
	size_t i;

	for (setting = image->config.env; *setting; setting++) {
		if (has_variable(container, *setting))
			continue;
		has_path = has_path || str_starts(*setting, "PATH=");
		json_array_append_new(list, json_string(*setting));
	}
	if (!has_path)
		json_array_append_new(list, json_string(PATH_DEFAULT));
	for (i = 0; i < container->env_count; i++) {
		_cleanup_free_ char *text =
			xasprintf("%s=%s", container->env[i].key, container->env[i].value);

		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *capabilities_json(uint64_t capabilities)
{
	json_t *names = json_array(), *sets;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(capability_names); i++) {
		_cleanup_free_ char *name = xasprintf("CAP_%s", capability_names[i]);

		if (capabilities & BIT(i))
			json_array_append_new(names, json_string(name));
	}
	sets = json_pack(
		"{s:O, s:O, s:O}", "bounding", names, "effective", names, "permitted", names);
	json_decref(names);
	return sets;
}

static json_t *user_json(const struct unpacked *image)
{
	json_t *groups = json_array();
	size_t i;

	for (i = 0; i < image->group_count; i++)
		json_array_append_new(groups, json_integer(image->groups[i]));
	return json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)image->uid, "gid",
		(json_int_t)image->gid, "additionalGids", groups);
}

static json_t *process_json(const struct spec_input *input)
{
	const struct container *container = input->container;

	return json_pack("{s:b, s:o, s:o, s:o, s:s, s:o, s:b}", "terminal", 0, "user",
		user_json(input->image), "args", args_json(container, input->image), "env",
		env_json(container, input->image), "cwd", input->image->config.workdir,
		"capabilities", capabilities_json(capabilities_of(input)), "noNewPrivileges",
		!container->is_privileged);
}

/* --- mounts --------------------------------------------------------------------------------------- */

static void add_mount(json_t *mounts, const char *target, const char *type, const char *source,
	const char *options)
{
	_cleanup_free_ char *text = xstrdup(options);
	json_t *list = json_array();
	char *at = text, *word;

	while ((word = strsep(&at, ",")))
		json_array_append_new(list, json_string(word));
	json_array_append_new(mounts,
		json_pack("{s:s, s:s, s:s, s:o}", "destination", target, "type", type, "source",
			source, "options", list));
}

static bool is_target(const struct container *container, const char *path)
{
	size_t i;

	for (i = 0; i < container->volume_count; i++)
		if (strcmp(container->volumes[i].target, path) == 0)
			return true;
	for (i = 0; i < container->mount_count; i++)
		if (strcmp(container->mounts[i].target, path) == 0)
			return true;
	return false;
}

static bool is_default_target(const char *path)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(default_mounts); i++)
		if (strcmp(default_mounts[i].target, path) == 0)
			return true;
	return false;
}

static void add_default_mounts(json_t *mounts, const struct spec_input *input)
{
	const struct container *container = input->container;
	bool is_privileged = container->is_privileged;
	char *const *volume;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(default_mounts); i++)
		if (!is_target(container, default_mounts[i].target))
			add_mount(mounts, default_mounts[i].target, default_mounts[i].type,
				default_mounts[i].source, default_mounts[i].options);
	add_mount(mounts, "/sys", "sysfs", "sysfs",
		is_privileged ? "nosuid,noexec,nodev" : "nosuid,noexec,nodev,ro");
	if (input->cgroup)
		add_mount(mounts, "/sys/fs/cgroup", "cgroup", "cgroup",
			is_privileged ? "nosuid,noexec,nodev,relatime"
				      : "nosuid,noexec,nodev,relatime,ro");
	for (volume = input->image->config.volumes; *volume; volume++)
		if (!is_target(container, *volume) && !is_default_target(*volume) &&
			strcmp(*volume, "/") != 0)
			add_mount(mounts, *volume, "tmpfs", "tmpfs",
				"nosuid,nodev,mode=1777,size=65536k");
}

static void add_file_mount(json_t *mounts, const struct spec_input *input, const char *name,
	const char *target, bool is_read_only)
{
	_cleanup_free_ char *path = file_join(input->files, name);

	add_mount(mounts, target, "bind", path,
		is_read_only ? "bind,ro,nosuid,nodev" : "bind,rw,nosuid,nodev");
}

static int add_glob(json_t *mounts, const struct container_mount *mount, struct err *err)
{
	glob_t found = { 0 };
	int ret = 0;
	size_t i;

	if (glob(mount->source, 0, NULL, &found) != 0) {
		globfree(&found);
		return err_set(err, -ENOENT, NULL, "mount %s: nothing matches %s", mount->name,
			mount->source);
	}
	if (found.gl_pathc > GLOB_MAX)
		ret = err_set(err, -E2BIG, NULL, "mount %s: more than %d files match %s",
			mount->name, GLOB_MAX, mount->source);
	for (i = 0; ret == 0 && i < found.gl_pathc; i++) {
		_cleanup_free_ char *target =
			file_join(mount->target, strrchr(found.gl_pathv[i], '/') + 1);

		add_mount(mounts, target, "bind", found.gl_pathv[i],
			mount->is_read_only ? "rbind,ro" : "rbind,rw");
	}
	globfree(&found);
	return ret;
}

static int add_configured(json_t *mounts, const struct spec_input *input,
	const struct container_mount *mount, struct err *err)
{
	switch (mount->kind) {
	case CONTAINER_MOUNT_BIND:
		if (!file_exists(mount->source))
			return err_set(err, -ENOENT, NULL, "mount %s: there is no %s", mount->name,
				mount->source);
		add_mount(mounts, mount->target, "bind", mount->source,
			mount->is_read_only ? "rbind,ro" : "rbind,rw");
		return 0;
	case CONTAINER_MOUNT_GLOB:
		return add_glob(mounts, mount, err);
	case CONTAINER_MOUNT_CONTENT:
		add_file_mount(mounts, input, mount->name, mount->target, mount->is_read_only);
		return 0;
	}
	return 0;
}

/* A configured mount or volume, in the order of targets: what holds another comes before it. */
struct place {
	const char *target;
	const struct container_mount *mount; /* or: */
	const struct container_volume *volume;
};

static int place_compare(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->target, ((const struct place *)b)->target);
}

static int add_places(json_t *mounts, const struct spec_input *input, struct err *err)
{
	const struct container *container = input->container;
	size_t count = container->mount_count + container->volume_count, at = 0, i;
	_cleanup_free_ struct place *places = xcalloc(count, sizeof(*places));
	int ret = 0;

	for (i = 0; i < container->mount_count; i++)
		places[at++] = (struct place){ .target = container->mounts[i].target,
			.mount = &container->mounts[i] };
	for (i = 0; i < container->volume_count; i++)
		places[at++] = (struct place){ .target = container->volumes[i].target,
			.volume = &container->volumes[i] };
	qsort(places, count, sizeof(*places), place_compare);
	for (i = 0; ret == 0 && i < count; i++) {
		if (places[i].mount) {
			ret = add_configured(mounts, input, places[i].mount, err);
		} else {
			_cleanup_free_ char *path =
				file_join(input->volumes, places[i].volume->name);

			add_mount(mounts, places[i].target, "bind", path, "rbind,rw,nosuid,nodev");
		}
	}
	return ret;
}

static bool has_resolv_conf(const struct container *container)
{
	return container->dns_count || container->search_count;
}

static int mounts_json(const struct spec_input *input, json_t **ret_mounts, struct err *err)
{
	const struct container *container = input->container;
	json_t *mounts = json_array();
	int ret;

	add_default_mounts(mounts, input);
	if (!is_target(container, "/etc/hosts"))
		add_file_mount(mounts, input, ".hosts", "/etc/hosts", true);
	if (has_resolv_conf(container) && !is_target(container, "/etc/resolv.conf"))
		add_file_mount(mounts, input, ".resolv.conf", "/etc/resolv.conf", true);
	ret = add_places(mounts, input, err);
	if (ret < 0) {
		json_decref(mounts);
		return ret;
	}
	*ret_mounts = mounts;
	return 0;
}

/* --- linux ---------------------------------------------------------------------------------------- */

static json_t *namespaces_json(const struct spec_input *input)
{
	json_t *list = json_pack("[{s:s}, {s:s}, {s:s}, {s:s}]", "type", "pid", "type", "ipc",
		"type", "uts", "type", "mount");

	if (input->cgroup)
		json_array_append_new(list, json_pack("{s:s}", "type", "cgroup"));
	if (input->container->netns)
		json_array_append_new(list,
			json_pack(
				"{s:s, s:s}", "type", "network", "path", input->container->netns));
	return list;
}

static json_t *resources_json(const struct spec_input *input)
{
	const struct container *container = input->container;
	json_t *resources = json_object();

	if (input->has_memory && container->memory_bytes)
		json_object_set_new(resources, "memory",
			json_pack("{s:I}", "limit", (json_int_t)container->memory_bytes));
	if (input->has_cpu && container->cpu_millicores)
		json_object_set_new(resources, "cpu",
			json_pack("{s:I, s:I}", "quota",
				(json_int_t)container->cpu_millicores * CPU_PERIOD_US / 1000,
				"period", (json_int_t)CPU_PERIOD_US));
	if (input->has_pids)
		json_object_set_new(
			resources, "pids", json_pack("{s:I}", "limit", (json_int_t)PIDS_MAX));
	return resources;
}

static json_t *linux_json(const struct spec_input *input)
{
	const struct container *container = input->container;
	json_t *root = json_pack("{s:o}", "namespaces", namespaces_json(input));

	if (input->cgroup) {
		json_object_set_new(root, "cgroupsPath", json_string(input->cgroup));
		json_object_set_new(root, "resources", resources_json(input));
	}
	if (container->netns)
		/* Its network is its own: so are the low ports. */
		json_object_set_new(root, "sysctl",
			json_pack("{s:s}", "net.ipv4.ip_unprivileged_port_start", "0"));
	if (container->is_privileged)
		return root;
	json_object_set_new(
		root, "maskedPaths", strings_json(masked_paths, ARRAY_SIZE(masked_paths)));
	json_object_set_new(
		root, "readonlyPaths", strings_json(readonly_paths, ARRAY_SIZE(readonly_paths)));
	if (input->has_seccomp)
		json_object_set_new(root, "seccomp", seccomp_profile(capabilities_of(input)));
	return root;
}

/* --- the whole ------------------------------------------------------------------------------------ */

/* Files made for the container are named, not held, in the mounts: their content shows here, so that
 * another content is another config.json. */
static json_t *annotations_json(const struct spec_input *input)
{
	const struct container *container = input->container;
	json_t *notes = json_pack("{s:s}", "ashlar.image", input->image->digest);
	size_t i;

	for (i = 0; i < container->dns_count; i++) {
		_cleanup_free_ char *name = xasprintf("ashlar.dns.%zu", i);

		json_object_set_new(notes, name, json_string(container->dns[i]));
	}
	for (i = 0; i < container->search_count; i++) {
		_cleanup_free_ char *name = xasprintf("ashlar.search.%zu", i);

		json_object_set_new(notes, name, json_string(container->search[i]));
	}
	for (i = 0; i < container->mount_count; i++) {
		const struct container_mount *mount = &container->mounts[i];
		_cleanup_free_ char *name = xasprintf("ashlar.content.%s", mount->name);
		char sum[DIGEST_TEXT_MAX];
		struct digest digest;

		if (mount->kind != CONTAINER_MOUNT_CONTENT || digest_init(&digest, "sha256") < 0)
			continue;
		digest_add(&digest, &mount->mode, sizeof(mount->mode));
		digest_add(&digest, mount->content, mount->content_size);
		digest_text(&digest, sum);
		digest_done(&digest);
		json_object_set_new(notes, name, json_string(sum));
	}
	return notes;
}

static const char *hostname_of(const struct container *container)
{
	return container->hostname ? container->hostname : container->object.key;
}

int spec_print(const struct spec_input *input, char **ret_text, struct err *err)
{
	json_t *mounts = NULL, *root;
	char *text;
	int ret;

	ret = mounts_json(input, &mounts, err);
	if (ret < 0)
		return ret;
	root = json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o, s:o}", "ociVersion", "1.0.2",
		"process", process_json(input), "root", "path", input->rootfs, "readonly", 1,
		"hostname", hostname_of(input->container), "mounts", mounts, "linux",
		linux_json(input), "annotations", annotations_json(input));
	if (!root)
		return err_set(err, -EINVAL, NULL, "the container's settings are not UTF-8");
	if (!json_array_size(json_object_get(json_object_get(root, "process"), "args"))) {
		json_decref(root);
		return err_set(err, -EINVAL, NULL,
			"neither the image nor the configuration says what command to run");
	}
	text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(root);
	*ret_text = text;
	return 0;
}

/* --- files ---------------------------------------------------------------------------------------- */

static int write_file(const struct spec_input *input, const char *name, const void *bytes,
	size_t size, mode_t mode, struct err *err)
{
	_cleanup_free_ char *path = file_join(input->files, name);
	_cleanup_free_ char *temporary = xasprintf("%s.new", path);
	_cleanup_close_ int fd = -1;

	(void)unlink(temporary); /* of a daemon that died here */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || file_write_all(fd, bytes, size) < 0 || fchmod(fd, mode) < 0 ||
		rename(temporary, path) < 0)
		return err_set(err, -errno, NULL, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static int write_hosts(const struct spec_input *input, struct err *err)
{
	_cleanup_free_ char *text = xasprintf("127.0.0.1\tlocalhost\n"
					      "::1\tlocalhost ip6-localhost ip6-loopback\n"
					      "127.0.1.1\t%s\n",
		hostname_of(input->container));

	return write_file(input, ".hosts", text, strlen(text), 0644, err);
}

static int write_resolv_conf(const struct spec_input *input, struct err *err)
{
	const struct container *container = input->container;
	_cleanup_(buf_done) struct buf text = { 0 };
	size_t i;

	/* Without a ceiling, appending does not fail. */
	for (i = 0; i < container->search_count; i++)
		(void)!buf_printf(&text, "%s%s", i ? " " : "search ", container->search[i]);
	if (i)
		(void)!buf_append_str(&text, "\n");
	for (i = 0; i < container->dns_count; i++)
		(void)!buf_printf(&text, "nameserver %s\n", container->dns[i]);
	return write_file(input, ".resolv.conf", buf_bytes(&text), text.length, 0644, err);
}

int spec_files(const struct spec_input *input, struct err *err)
{
	const struct container *container = input->container;
	int ret;
	size_t i;

	ret = file_make_dirs(input->files, 0755, err);
	if (ret == 0)
		ret = write_hosts(input, err);
	if (ret == 0 && has_resolv_conf(container))
		ret = write_resolv_conf(input, err);
	for (i = 0; ret == 0 && i < container->mount_count; i++) {
		const struct container_mount *mount = &container->mounts[i];

		if (mount->kind == CONTAINER_MOUNT_CONTENT)
			ret = write_file(input, mount->name, mount->content, mount->content_size,
				mount->mode, err);
	}
	return ret;
}
