/*
 * Looking at the machine's parts. One look reads all there is in a thread of its own, because a sensor behind a
 * slow bus takes its time; what it has found becomes objects when it is done. Who asks waits for that a few
 * milliseconds, enough for what the processor reads by itself, and else gets what was known before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"
#include "ashlar/map.h"
#include "ashlar/state.h"
#include "ashlar/str.h"
#include "ashlar/thread.h"

#include "hardware-private.h"

#define LOOK_WAIT_MS  5	 /* of the loop's time, once a look */
#define LOOK_EVERY_MS 20 /* at most, for who asks: of many parts one asks for each */
#define LEAVE_MS      1000
#define LINE_MAX_SIZE 256

static struct {
	struct thread *thread;
	struct hardware_found found;
	uint64_t looked_ms;	 /* monotonic; 0: not yet */
	bool again;		 /* something came while a look was under way */
	void (*act)(void *arg);	 /* under way, or waiting for a look; NULL: none */
	void (*done)(void *arg); /* of the act */
	void *arg;
} self;

static const struct {
	const struct object_kind *kind;
	/* Whether it says what is known already; what nobody needs to be told of goes into what is known, what is
	 * known only of old into what is new. */
	bool (*take)(struct object *known, struct object *now);
} kinds[] = {
	{ &object_kind_sensor, sensor_take },
	{ &object_kind_usb_bus, usb_take },
	{ &object_kind_board, board_take },
	{ &object_kind_vpd, vpd_take },
};

/* --- reading, beside the loop ------------------------------------------------------------------ */

bool hardware_read(const char *dir, const char *name, char *to, size_t size)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char line[LINE_MAX_SIZE];
	ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	char *start = line;

	if (got <= 0)
		return false;
	line[got] = '\0';
	line[strcspn(line, "\n")] = '\0';
	start += strspn(start, " \t");
	for (size_t length = strlen(start); length && start[length - 1] == ' '; length--)
		start[length - 1] = '\0';
	snprintf(to, size, "%s", start);
	return *to != '\0';
}

int hardware_read_number(const char *dir, const char *name, int64_t *ret_value)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (got < 0)
		return -errno;
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return str_s64(text, INT64_MIN, INT64_MAX, ret_value);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

size_t hardware_list(const char *dir, struct dirent ***ret_entries)
{
	int count = scandir(dir, ret_entries, is_visible, versionsort);

	if (count < 0) {
		*ret_entries = NULL;
		return 0;
	}
	while (count > HARDWARE_ENTRIES_MAX)
		free((*ret_entries)[--count]);
	return (size_t)count;
}

static bool is_taken(const struct hardware_found *found, const char *name)
{
	for (size_t i = 0; i < found->count; i++) {
		if (str_equal(found->objects[i]->key, name))
			return true;
	}
	return false;
}

void hardware_make_unique(const struct hardware_found *found, char name[HARDWARE_NAME_MAX])
{
	char first[HARDWARE_NAME_MAX];

	memcpy(first, name, sizeof(first));
	for (unsigned number = 2; is_taken(found, name); number++)
		snprintf(name, HARDWARE_NAME_MAX, "%.*s-%u", HARDWARE_NAME_MAX - 12, first, number);
}

void hardware_add(struct hardware_found *found, struct object *object)
{
	ARRAY_GROW(found->objects, found->count, found->room);
	found->objects[found->count++] = object;
}

static void look(void *arg)
{
	struct hardware_found *found = arg;

	vpd_find(found);
	board_find(found); /* has its address from there */
	usb_find(found);
	sensor_find(found);
}

/* --- into have --------------------------------------------------------------------------------- */

/* The row of a kind. */
static size_t row_of(const struct object_kind *kind)
{
	size_t row = 0;

	while (kinds[row].kind != kind)
		row++;
	return row;
}

static void put(struct object *now)
{
	struct object *known = have_get(have_all(), now->kind, now->key);

	if (known && kinds[row_of(now->kind)].take(known, now))
		object_free(now);
	else
		have_put(now);
}

static void forget_unseen(const struct object_kind *kind, const struct map *seen)
{
	char **gone = NULL;
	size_t count = 0, room = 0, at = 0;
	struct object *object;

	while ((object = have_next(have_all(), kind, &at))) {
		if (map_get_str(seen, object->key))
			continue;
		ARRAY_GROW(gone, count, room);
		gone[count++] = xstrdup(object->key);
	}
	for (size_t i = 0; i < count; i++) {
		have_remove(kind, gone[i]);
		free(gone[i]);
	}
	free(gone);
}

static void go_on(void);
static void begin_act(void);

static void looked(void *arg)
{
	struct hardware_found *found = arg;
	struct map seen[ARRAY_SIZE(kinds)] = { 0 };

	for (size_t i = 0; i < found->count; i++)
		map_put_str(&seen[row_of(found->objects[i]->kind)], found->objects[i]->key,
			found->objects[i]);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		forget_unseen(kinds[k].kind, &seen[k]);
		map_done(&seen[k]);
	}
	for (size_t i = 0; i < found->count; i++)
		put(found->objects[i]);
	free(found->objects);
	*found = (struct hardware_found){ 0 };
	self.looked_ms = clock_ms();
	go_on();
}

/* What was waiting for the thread: an act first. */
static void go_on(void)
{
	if (self.act) {
		begin_act();
	} else if (self.again) {
		self.again = false;
		hardware_look();
	}
}

static void acted(void *arg)
{
	void (*done)(void *arg) = self.done;

	self.act = self.done = NULL;
	self.again = true; /* to see what has become of it */
	done(arg);
	go_on();
}

static void begin_act(void)
{
	if (thread_run(self.thread, self.act, acted, self.arg) == 0)
		return;
	log_warning("hardware", "no thread to change the hardware");
	self.act(self.arg);
	acted(self.arg);
}

void hardware_act(void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	self.act = work;
	self.done = done;
	self.arg = arg;
	if (!thread_is_busy(self.thread))
		begin_act();
}

void hardware_look(void)
{
	if (!self.thread)
		return;
	if (thread_is_busy(self.thread))
		self.again = true;
	else if (thread_run(self.thread, look, looked, &self.found) < 0)
		log_warning("hardware", "no thread to look at the hardware");
}

int hardware_refresh(const char *key, struct err *err)
{
	bool is_fresh = self.looked_ms && clock_ms() - self.looked_ms < LOOK_EVERY_MS;

	if (!self.thread || (is_fresh && !thread_is_busy(self.thread)))
		return 0;
	if (!thread_is_busy(self.thread))
		hardware_look();
	thread_wait(self.thread, LOOK_WAIT_MS);
	return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

void hardware_changed(const char *subsystem)
{
	if (!subsystem || str_equal(subsystem, "usb") || str_equal(subsystem, "hwmon") ||
		str_equal(subsystem, "nvmem"))
		hardware_look();
}

void hardware_init(void)
{
	self.thread = thread_new("hardware");
	hardware_look();
}

void hardware_done(void)
{
	/* static, as what the thread is at work on must stay where it is */
	static struct thread *left;

	left = TAKE(self.thread);
	if (left && thread_leave(left, LEAVE_MS)) {
		for (size_t i = 0; i < self.found.count; i++)
			object_free(self.found.objects[i]);
		free(TAKE(self.found.objects));
		self.found = (struct hardware_found){ 0 };
	}
}
