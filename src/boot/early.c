/*
 * ashlar-early: the first program of the appliance, alone in the initial RAM file system of a boot image.
 *
 * Arms the watchdog, finds the slot that was started, and whether it may be (decide.h); counts the start before
 * going on, so that what hangs or panics is not started for ever. Mounts the slot's contents as the root,
 * verified block by block, checks and mounts what is writable, settles with which generation of the
 * configuration this is, and becomes init. What it did stands in /run/ashlar/boot; whatever goes wrong is
 * another slot's turn, or a panic, which restarts the device and leaves its text to be told later.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/watchdog.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ashlar/clock.h"
#include "ashlar/generation.h"
#include "ashlar/starts.h"
#include "ashlar/str.h"

#include "decide.h"
#include "early.h"

#define WATCHDOG_SECONDS 60
#define EFIVARS		 "/sys/firmware/efi/efivars"
#define BOOT_DIR	 "/boot"
#define TOLD		 "/run/ashlar/boot"
#define STARTS_PATH	 "/cfg/" STARTS_FILE

static int kmsg = -1;
static bool is_by_watchdog; /* that the device has restarted */

void early_say(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	dprintf(kmsg >= 0 ? kmsg : STDERR_FILENO, "<4>ashlar-early: %.*s\n", length, line);
}

void early_fail(const char *what)
{
	early_say("%s: %s", what, strerror(errno));
	_exit(1);
}

void early_mount(const char *source, const char *target, const char *type, unsigned long flags,
	const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options) < 0)
		early_fail(target);
}

int early_run(const char *const *argv)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

bool early_cmdline(const char *word, char *value, size_t room)
{
	static char line[4096];
	size_t length = strlen(word);
	char *rest = line, *token;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (n < 0)
		early_fail("/proc/cmdline");
	close(fd);
	line[n] = '\0';
	while ((token = strsep(&rest, " \n")))
		if (!strncmp(token, word, length) && token[length] == '=') {
			snprintf(value, room, "%s", token + length + 1);
			return true;
		}
	return false;
}

static void mount_kernel_views(void)
{
	early_mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	early_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	early_mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (access(EFIVARS, F_OK) == 0 &&
		mount("efivarfs", EFIVARS, "efivarfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		early_say(EFIVARS ": %s", strerror(errno));
	early_mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
	mkdir("/run/ashlar", 0755);
}

void early_feed(void)
{
	static int fd = -1; /* until init takes its place: each closing is complained about */

	if (fd < 0)
		fd = open("/dev/watchdog", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)ioctl(fd, WDIOC_KEEPALIVE, 0);
}

/* Closed without the magic letter it goes on: whoever feeds it opens it again. */
static void arm_watchdog(void)
{
	int seconds = WATCHDOG_SECONDS, status = 0;
	int fd = open("/dev/watchdog", O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		early_say("no watchdog");
		return;
	}
	if (ioctl(fd, WDIOC_SETTIMEOUT, &seconds) < 0)
		early_say("watchdog: %s", strerror(errno));
	if (ioctl(fd, WDIOC_GETBOOTSTATUS, &status) == 0)
		is_by_watchdog = status & WDIOF_CARDRESET;
	close(fd);
}

/* --- which slot was started ----------------------------------------------------------------------- */

/*
 * By what the firmware has started: systemd's stub leaves the path of the boot image, such as
 * "\\EFI\\ashlar\\a.efi" in UTF-16, after the variable's four bytes of attributes. -1: not told.
 */
static int slot_of_efi(void)
{
	static const char variable[] =
		EFIVARS "/StubImageIdentifier-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
	static const char *const ends[] = { "\\a.efi", "\\b.efi", "\\bootx64.efi" };
	char wide[512], path[256] = "";
	ssize_t n;
	int fd = open(variable, O_RDONLY | O_CLOEXEC);

	n = fd < 0 ? -1 : read(fd, wide, sizeof(wide));
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 4; i + 1 < n; i += 2)
		path[(i - 4) / 2] = wide[i];
	for (int i = 0; i < DECIDE_SLOTS; i++) {
		size_t length = strlen(ends[i]);

		if (strlen(path) > length && !strcasecmp(path + strlen(path) - length, ends[i]))
			return i;
	}
	return -1;
}

static int slot_started(void)
{
	char name[16];

	if (early_cmdline("ashlar.slot", name, sizeof(name)))
		for (int i = 0; i < DECIDE_SLOTS; i++)
			if (str_equal(name, slot_names[i]))
				return i;
	return slot_of_efi();
}

static void read_slots(struct decide *decide)
{
	for (int i = 0; i < DECIDE_SLOTS; i++) {
		const char *device = partition_device(slot_names[i]);
		_cleanup_err_ struct err err = { 0 };

		if (!device || slot_read(device, &decide->slots[i], &err) < 0)
			early_say("slot %s: %s", slot_names[i], device ? err_text(&err) : "absent");
	}
}

/* Nobody has said which one it is: that whose contents the boot image was made for. */
static int slot_by_contents(const struct decide *decide, const struct verity *verity)
{
	for (int i = 0; i < DECIDE_SLOTS; i++)
		if (!memcmp(decide->slots[i].root_hash, verity->root_hash, SLOT_SHA256_BYTES))
			return i;
	return DECIDE_RECOVERY;
}

/* --- what was decided ----------------------------------------------------------------------------- */

static bool mount_boot(void)
{
	const char *device = partition_device("boot");

	mkdir(BOOT_DIR, 0755);
	if (device && mount(device, BOOT_DIR, "vfat", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
		return true;
	early_say("the boot partition: %s", device ? strerror(errno) : "absent");
	return false;
}

/* Reads or writes what is started next; told if it cannot be: then it is what it was. */
static bool access_order(struct boot_order *order, bool is_write)
{
	const struct boot_loader *loader = boot_order_loader(EFIVARS);
	const struct boot_places places = { EFIVARS, BOOT_DIR, partition_device("disk") };
	_cleanup_err_ struct err err = { 0 };
	bool is_mounted = loader->needs_boot && mount_boot();
	int r = loader->needs_boot && !is_mounted ? -ENODEV
		: is_write			  ? loader->write(&places, order, &err)
						  : loader->read(&places, order, &err);

	if (is_mounted && umount(BOOT_DIR) < 0)
		early_say(BOOT_DIR ": %s", strerror(errno));
	if (r < 0)
		early_say("boot order: %s", err_text(&err));
	return r == 0;
}

/* Slots first: a slot that has failed is not started whatever the order says. */
static void write_decisions(struct decide *decide)
{
	for (int i = 0; i < DECIDE_SLOTS; i++) {
		const char *device = partition_device(slot_names[i]);
		_cleanup_err_ struct err err = { 0 };

		if (!decide->is_changed[i] || !device)
			continue;
		if (slot_write(device, &decide->slots[i], &err) < 0)
			early_say("%s", err_text(&err));
		early_say("slot %s is %s%s%s", slot_names[i],
			slot_state_name(decide->slots[i].state),
			*decide->slots[i].reason ? ": " : "", decide->slots[i].reason);
		decide->is_changed[i] = false;
	}
	if (decide->is_order_changed)
		(void)!access_order(&decide->order, true);
	decide->is_order_changed = false;
}

static void restart(struct decide *decide) __attribute__((noreturn));

static void restart(struct decide *decide)
{
	write_decisions(decide);
	early_say("slot %s is left: another one's turn", slot_names[decide->booted]);
	sync();
	reboot(RB_AUTOBOOT);
	early_fail("reboot");
}

static void choose_slot(struct decide *decide, const struct verity *verity)
{
	struct boot_order order = { 0 };
	int started = slot_started();

	partition_find_disk(slot_names[started < 0 ? DECIDE_RECOVERY : started], verity->root_hash);
	read_slots(decide);
	decide->booted = started < 0 ? slot_by_contents(decide, verity) : started;
	if (decide->booted != DECIDE_RECOVERY) {
		if (!decide_start(decide, verity->root_hash))
			restart(decide);
	} else if (access_order(&order, false) && !decide_recovery(decide, &order)) {
		restart(decide);
	}
	write_decisions(decide); /* the start is counted before anything can go wrong */
}

static void mount_root(struct decide *decide, const struct verity *verity)
{
	const char *device = partition_device(slot_names[decide->booted]);
	/* It was started before and did not become healthy: is that for want of a block? */
	bool is_doubtful =
		decide->booted != DECIDE_RECOVERY && decide->slots[decide->booted].attempts > 1;
	char why[64];
	int r = verity_mount(verity, device, is_doubtful);

	if (r == 0)
		return;
	errno = -r;
	if (decide->booted == DECIDE_RECOVERY)
		early_fail("the recovery system");
	snprintf(why, sizeof(why), "it cannot be read: %s", strerror(-r));
	decide_unusable(decide, why);
	restart(decide);
}

/* What was mounted at EARLY_ROOT is the root from here on. */
static void enter_root(void)
{
	static const char *const views[] = { "/dev", "/proc", "/sys", "/run" };
	char target[64];

	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		snprintf(target, sizeof(target), EARLY_ROOT "%s", views[i]);
		if (mount(views[i], target, NULL, MS_MOVE, NULL) < 0)
			early_fail(target);
	}
	unlink("/init"); /* its memory */
	if (chdir(EARLY_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		early_fail(EARLY_ROOT);
}

/* --- generations ---------------------------------------------------------------------------------- */

static int make_generation(const struct decide *decide, uint32_t from, bool is_trial,
	const char *reason, uint32_t *ret_number, struct err *err)
{
	const struct slot_header *slot = &decide->slots[decide->booted];
	_cleanup_generation_ struct generation generation = {
		.is_trial = is_trial,
		.image = xcalloc(2 * SLOT_SHA256_BYTES + 1, 1),
		.version = xstrdup(slot->version),
		.reason = xstrdup(reason),
	};
	int r;

	str_hex(generation.image, slot->sha256, SLOT_SHA256_BYTES);
	r = generation_make(GENERATION_DIR, from, &generation, err);
	*ret_number = generation.number;
	return r;
}

/* Does what was decided for the generations; *number is the one that this system runs with. */
static int take_step(
	struct decide *decide, enum decide_step step, uint32_t *number, struct err *err)
{
	const char *reason = step == DECIDE_STEP_TRIAL ? "upgrade"
		: step == DECIDE_STEP_FIRST	       ? "first start"
						       : "fallback";
	bool is_new = step == DECIDE_STEP_FIRST || step == DECIDE_STEP_COPY;
	int r = 0;

	if (is_new || step == DECIDE_STEP_TRIAL)
		r = make_generation(decide, *number, !is_new, reason, number, err);
	if (r == 0 && (is_new || step == DECIDE_STEP_FALL_BACK))
		r = generation_switch(GENERATION_DIR, *number, err);
	if (r == 0 && step == DECIDE_STEP_RUN)
		r = generation_confirm(GENERATION_DIR, *number, err);
	return r == 0 ? generation_tidy(GENERATION_DIR, *number, err) : r;
}

/* A trial of the other slot that is over, unless it is still to come. True: it is. */
static bool end_trial(struct decide *decide)
{
	struct boot_order order = { 0 };

	if (!decide_has_other_trial(decide) || !access_order(&order, false))
		return false;
	decide_end_trial(decide, order.next);
	if (!decide_has_other_trial(decide) && unlink(GENERATION_DIR "/" GENERATION_TRIAL) < 0 &&
		errno != ENOENT)
		early_say(GENERATION_DIR ": %s", strerror(errno));
	return !decide_has_other_trial(decide);
}

/* Where nothing can be kept, or where it is not to be touched: a place of its own, in memory. */
static void use_memory(const char *path)
{
	mkdir(path, 0700);
	if (symlink(path, GENERATION_RUNNING) < 0)
		early_fail(GENERATION_RUNNING);
}

/* What is going to be told of this start. */
struct story {
	const char *kind;    /* NULL: what it was before tells */
	uint32_t generation; /* 0: none */
	bool has_just_failed;
};

static void choose_generation(struct decide *decide, FILE *told, struct story *story)
{
	struct generation *list = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_err_ struct err err = { 0 };
	enum decide_step step;
	uint32_t current, number;
	size_t count = 0;
	int r;

	if (decide->booted == DECIDE_RECOVERY)
		story->kind = "recovery";
	if (decide->booted == DECIDE_RECOVERY || !writable_has_cfg()) {
		use_memory("/run/ashlar/memory");
		return;
	}
	if (generation_current(GENERATION_DIR, &current, NULL) < 0)
		current = 0;
	r = generation_list(GENERATION_DIR, &list, &count, &err);
	step = decide_generation(decide, list, count, current, &number);
	generation_list_free(list, count);
	if (step == DECIDE_STEP_RESTART)
		restart(decide);
	if (r == 0)
		r = take_step(decide, step, &number, &err);
	if (r < 0)
		early_say("generation %u: %s", number, err_text(&err));
	if (step != DECIDE_STEP_TRIAL)
		story->has_just_failed = end_trial(decide);
	path = generation_path(GENERATION_DIR, number);
	if (symlink(path, GENERATION_RUNNING) < 0)
		early_fail(GENERATION_RUNNING);
	fprintf(told, "generation=%u\ntrial=%s\n", number,
		step == DECIDE_STEP_TRIAL ? "yes" : "no");
	if (step == DECIDE_STEP_FALL_BACK || step == DECIDE_STEP_COPY)
		fprintf(told, "fallback=yes\n");
	story->generation = number;
	if (step == DECIDE_STEP_TRIAL)
		story->kind = "trial";
	else if (step == DECIDE_STEP_FALL_BACK || step == DECIDE_STEP_COPY)
		story->kind = "fallback";
}

/* This start, for whoever asks later; without /cfg it is not kept. */
static void keep_story(const struct decide *decide, const struct story *story, FILE *told)
{
	const struct slot_header *slot = &decide->slots[decide->booted];
	const struct slot_header *other =
		&decide->slots[decide->booted == DECIDE_A ? DECIDE_B : DECIDE_A];
	_cleanup_free_ char *panic = panic_take();
	_cleanup_err_ struct err err = { 0 };
	struct starts_found found = {
		.by_watchdog = is_by_watchdog,
		.panic = panic,
		.failed = other->state == SLOT_STATE_FAILED ? other->reason : NULL,
		.has_just_failed = story->has_just_failed,
	};
	char now[CLOCK_TEXT_MAX];
	uint32_t number;
	json_t *start;

	if (!writable_has_cfg())
		return;
	clock_text(now, time(NULL));
	start = json_pack("{s:s, s:s, s:s, s:s*, s:I}", "datetime", now, "slot",
		slot_names[decide->booted], "version", slot->version, "kind", story->kind, "early",
		(json_int_t)clock_ms());
	if (story->generation)
		json_object_set_new(start, "generation", json_integer(story->generation));
	if (starts_begin(STARTS_PATH, start, &found, &number, &err) < 0)
		early_say("%s", err_text(&err));
	else
		fprintf(told, "start=%u\n", number);
}

/* Somebody has asked for that before the start; the mark goes last. */
static void finish_reset(struct decide *decide, FILE *told, struct story *story)
{
	struct slot_header *recovery = &decide->slots[DECIDE_RECOVERY];
	bool is_done;

	if (!recovery->reset)
		return;
	early_say("back to the factory: wiping /cfg and /var");
	dprintf(STDOUT_FILENO, "ashlar: back to the factory: wiping /cfg and /var\n");
	is_done = writable_wipe();
	fprintf(told, "reset=%s\n", is_done ? "done" : "failed");
	if (!is_done)
		return; /* the next start tries again */
	story->kind = "reset";
	recovery->reset = 0;
	decide->is_changed[DECIDE_RECOVERY] = true;
	write_decisions(decide);
}

int main(void)
{
	struct verity verity;
	struct decide decide = { 0 };
	struct story story = { 0 };
	FILE *told;

	mount_kernel_views();
	arm_watchdog();
	verity_read(&verity);
	choose_slot(&decide, &verity);
	mount_root(&decide, &verity);
	partition_make_links();
	partition_grow();
	enter_root();
	told = fopen(TOLD, "we");
	if (!told)
		early_fail(TOLD);
	fprintf(told, "slot=%s\nattempts=%u\nfirmware=%s\n", slot_names[decide.booted],
		decide.slots[decide.booted].attempts, boot_order_loader(EFIVARS)->name);
	writable_begin();
	finish_reset(&decide, told, &story);
	writable_mount(told);
	choose_generation(&decide, told, &story);
	write_decisions(&decide);
	keep_story(&decide, &story, told);
	if (fclose(told) != 0)
		early_fail(TOLD);
	early_say("slot %s", slot_names[decide.booted]);
	execl("/sbin/init", "/sbin/init", (char *)NULL);
	early_fail("/sbin/init");
}
