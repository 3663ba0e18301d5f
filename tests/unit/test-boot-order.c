/* The boot order, as UEFI firmware and GRUB are told of it, on files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ashlar/boot-order.h"
#include "ashlar/file.h"

#include "gpt-file.h"

#define GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"

static char dir[64], efivars[80], boot[80], disk[80];
static struct boot_places places = { efivars, boot, disk };

static int setup(void **state)
{
	char grub[96];

	strcpy(dir, "/tmp/test-boot-order.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(efivars, sizeof(efivars), "%s/efivars", dir);
	snprintf(boot, sizeof(boot), "%s/boot", dir);
	snprintf(disk, sizeof(disk), "%s/disk", dir);
	snprintf(grub, sizeof(grub), "%s/grub", boot);
	mkdir(efivars, 0700);
	mkdir(boot, 0700);
	mkdir(grub, 0700);
	gpt_file_make(disk);
	return 0;
}

static int teardown(void **state)
{
	return file_remove_tree(dir, NULL);
}

static struct boot_order make_order(const char *first, const char *second, const char *next)
{
	struct boot_order order = { .next = next };

	if (first)
		boot_order_add(&order, first);
	if (second)
		boot_order_add(&order, second);
	return order;
}

static void assert_order(
	const struct boot_loader *loader, const char *first, const char *second, const char *next)
{
	struct boot_order wanted = make_order(first, second, next), found;

	assert_int_equal(loader->read(&places, &found, NULL), 0);
	assert_true(boot_order_equal(&found, &wanted));
}

static void write_order(
	const struct boot_loader *loader, const char *first, const char *second, const char *next)
{
	struct boot_order order = make_order(first, second, next);

	assert_int_equal(loader->write(&places, &order, NULL), 0);
	assert_order(loader, first, second, next);
}

/* --- the variables of UEFI ------------------------------------------------------------------------ */

static char *variable_path(const char *name)
{
	return xasprintf("%s/%s-" GLOBAL, efivars, name);
}

static void set_variable(const char *name, const void *value, size_t size)
{
	_cleanup_free_ char *path = variable_path(name);
	uint8_t data[512] = { 7 };

	memcpy(data + 4, value, size);
	assert_int_equal(file_write_atomic(path, data, size + 4, 0644, NULL), 0);
}

static size_t get_variable(const char *name, uint8_t *value)
{
	_cleanup_free_ char *path = variable_path(name), *data = NULL;
	size_t size;

	assert_int_equal(file_read(path, 512, &data, &size, NULL), 0);
	assert_memory_equal(data, "\7\0\0\0", 4);
	memcpy(value, data + 4, size - 4);
	return size - 4;
}

static void assert_variable(const char *name, const void *value, size_t size)
{
	uint8_t found[512];

	assert_int_equal(get_variable(name, found), size);
	assert_memory_equal(found, value, size);
}

static bool has_variable(const char *name)
{
	_cleanup_free_ char *path = variable_path(name);

	return file_exists(path);
}

/* "Other", with a device path that ends at once. */
static const uint8_t foreign[] = { 1, 0, 0, 0, 4, 0, 'O', 0, 't', 0, 'h', 0, 'e', 0, 'r', 0, 0, 0,
	0x7f, 0xff, 4, 0 };

static void test_uefi_first(void **state)
{
	static const uint8_t wanted[] = { 1, 0, 0, 0, 0x56, 0, /* active; 86 bytes of path */
		'A', 0, 's', 0, 'h', 0, 'l', 0, 'a', 0, 'r', 0, ' ', 0, 'a', 0, 0, 0, 4, 1, 42, 0,
		2, 0, 0, 0,					      /* a partition: number 2 */
		0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, /* 4096 blocks from 4096 on */
		2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
		2, /* its GUID; of a GPT, by GUID */
		4, 4, 40, 0, '\\', 0, 'E', 0, 'F', 0, 'I', 0, '\\', 0, 'a', 0, 's', 0, 'h', 0, 'l',
		0, 'a', 0, 'r', 0, '\\', 0, 'a', 0, '.', 0, 'e', 0, 'f', 0, 'i', 0, 0, 0, 0x7f,
		0xff, 4, 0 };

	assert_order(&boot_order_uefi, NULL, NULL, NULL);
	write_order(&boot_order_uefi, "a", NULL, NULL);
	assert_variable("Boot0000", wanted, sizeof(wanted));
	assert_variable("BootOrder", "\0\0\1\0", 4); /* a, recovery */
	assert_false(has_variable("BootNext"));
}

static void test_uefi_next(void **state)
{
	write_order(&boot_order_uefi, "a", NULL, "b");
	assert_variable("BootOrder", "\0\0\1\0", 4);
	assert_variable("BootNext", "\2\0", 2);
	write_order(&boot_order_uefi, "b", "a", NULL);
	assert_variable("BootOrder", "\2\0\0\0\1\0", 6);
	assert_false(has_variable("BootNext"));
	write_order(&boot_order_uefi, "a", "b", "recovery");
	write_order(&boot_order_uefi, NULL, NULL, NULL);
	assert_variable("BootOrder", "\1\0", 2);
}

/* What others have there stays, and comes last. */
static void test_uefi_others(void **state)
{
	uint8_t entry[512], changed[512];
	size_t size;

	set_variable("Boot0000", foreign, sizeof(foreign));
	set_variable("Boot0010", foreign, sizeof(foreign));
	set_variable("BootOrder", "\x10\0\0\0", 4);
	write_order(&boot_order_uefi, "a", NULL, NULL);
	assert_variable("BootOrder", "\1\0\2\0\x10\0\0\0", 8);
	assert_variable("Boot0000", foreign, sizeof(foreign));
	write_order(&boot_order_uefi, "b", "a", NULL);
	assert_variable("BootOrder", "\3\0\1\0\2\0\x10\0\0\0", 10);
	/* the disk's copy has another table: our entry leads to it, under the same number */
	size = get_variable("Boot0001", entry);
	memcpy(changed, entry, size);
	changed[size / 2 - 20] ^= 0xff;
	set_variable("Boot0001", changed, size);
	write_order(&boot_order_uefi, "b", "a", NULL);
	assert_variable("Boot0001", entry, size);
}

/* What is there already is not written again: firmware's memory wears. */
static void test_uefi_idle(void **state)
{
	static const char *const names[] = { "Boot0000", "Boot0001", "BootOrder", "BootNext" };
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct stat st;

	write_order(&boot_order_uefi, "a", NULL, "a");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = variable_path(names[i]);

		assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	}
	write_order(&boot_order_uefi, "a", NULL, "a");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = variable_path(names[i]);

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mtim.tv_sec, 1);
	}
}

/* Variables of which nothing can be made. */
static void test_uefi_broken(void **state)
{
	static const char *const values[] = { "", "\1",
		"\1\0\0\0\xff\xff"
		"A\0s\0h\0l\0a\0r\0 \0a" };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		set_variable("BootOrder", "\0\0\5\0\1", 5);
		set_variable("BootNext", "\0", 1);
		set_variable("Boot0000", values[i], i == 2 ? 21 : strlen(values[i]));
		assert_order(&boot_order_uefi, NULL, NULL, NULL);
		write_order(&boot_order_uefi, "a", "b", "b");
	}
	assert_int_equal(truncate(disk, 4096), 0);
	assert_true(boot_order_uefi.write(&places, &(struct boot_order){ 0 }, NULL) < 0);
}

/* --- GRUB's block --------------------------------------------------------------------------------- */

static char *env_path(void)
{
	return xasprintf("%s/grub/grubenv", boot);
}

static void set_env(const char *text, size_t size)
{
	_cleanup_free_ char *path = env_path();
	char block[2 * GRUB_ENV_BYTES];

	memset(block, '#', sizeof(block));
	memcpy(block, text, strlen(text));
	assert_int_equal(file_write_atomic(path, block, size, 0644, NULL), 0);
}

#define HEAD "# GRUB Environment Block\n"

static void test_grub(void **state)
{
	_cleanup_free_ char *path = env_path(), *block = NULL;
	size_t size;
	struct stat before, after;

	assert_order(&boot_order_grub, NULL, NULL, NULL);
	set_env(HEAD "order=a\nnext=\n", GRUB_ENV_BYTES);
	assert_order(&boot_order_grub, "a", NULL, NULL);
	assert_int_equal(stat(path, &before), 0);
	write_order(&boot_order_grub, "a", NULL, "b");
	write_order(&boot_order_grub, "b", "a", NULL);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino); /* where it lies, GRUB knows */
	assert_int_equal(file_read(path, 2000, &block, &size, NULL), 0);
	assert_int_equal(size, GRUB_ENV_BYTES);
	assert_memory_equal(block, HEAD "order=b a\nnext=\n##", 43);
	assert_int_equal(block[GRUB_ENV_BYTES - 1], '#');
}

/* All that we say is in the first sector, whatever it is: half of a write changes nothing else. */
static void test_grub_sector(void **state)
{
	struct boot_order longest = { .next = "recovery" };
	char block[GRUB_ENV_BYTES];

	for (size_t i = 0; slot_names[i]; i++)
		boot_order_add(&longest, slot_names[i]);
	boot_order_print_env(&longest, block);
	for (size_t i = 512; i < sizeof(block); i++)
		assert_int_equal(block[i], '#');
}

static void test_grub_broken(void **state)
{
	set_env(HEAD "order=a\n", GRUB_ENV_BYTES - 1);
	assert_order(&boot_order_grub, NULL, NULL, NULL);
	set_env(HEAD "order=a\n", GRUB_ENV_BYTES + 1);
	assert_order(&boot_order_grub, NULL, NULL, NULL);
	set_env("order=a\n", GRUB_ENV_BYTES);
	assert_order(&boot_order_grub, NULL, NULL, NULL);
	set_env(HEAD "order=x  b b /etc a a\nnext=c\nother=1\norde", GRUB_ENV_BYTES);
	assert_order(&boot_order_grub, "b", "a", NULL);
	write_order(&boot_order_grub, "a", NULL, NULL);
}

static void test_loader(void **state)
{
	assert_ptr_equal(boot_order_loader(efivars), &boot_order_grub);
	set_variable("BootCurrent", "\0\0", 2);
	assert_ptr_equal(boot_order_loader(efivars), &boot_order_uefi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_uefi_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uefi_next, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uefi_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uefi_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uefi_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grub, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grub_sector, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grub_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loader, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
