/*
 * What crun is told, against golden files (SPEC_UPDATE=1 writes them, for a look at what changed), and
 * the record that a container is found by after a restart.
 */
#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ashlar/containers.h"
#include "ashlar/file.h"
#include "record.h"
#include "spec.h"

#define ALL_CAPABILITIES ((1ULL << 41) - 1)
#define A64		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char *entrypoint[] = { (char *)"/bin/httpd", NULL };
static char *cmd[] = { (char *)"-f", (char *)"a b", NULL };
static char *env[] = { (char *)"PATH=/bin", (char *)"LANG=C", NULL };
static char *image_volumes[] = { (char *)"/data", (char *)"/tmp", (char *)"/cache", NULL };
static char *none[] = { NULL };

static const struct unpacked plain_image = {
	.digest = A64,
	.id = A64,
	.config = { entrypoint, cmd, env, none, (char *)"/", (char *)"", SIGTERM },
};

static const struct unpacked rich_image = {
	.digest = A64,
	.id = A64,
	.config = { none, cmd, none, image_volumes, (char *)"/srv", (char *)"web", SIGINT },
	.uid = 100,
	.gid = 101,
	.groups = { 10, 20 },
	.group_count = 2,
};

static struct spec_input input_of(const struct container *container, const struct unpacked *image)
{
	return (struct spec_input){
		.container = container,
		.image = image,
		.rootfs = "/state/images/a/rootfs",
		.volumes = "/state/volumes/web",
		.files = "/run/containers/web/files",
		.cgroup = "/ashlar/web",
		.has_memory = true,
		.has_cpu = true,
		.has_pids = true,
		.has_seccomp = true,
		.capability_bounds = ALL_CAPABILITIES,
	};
}

static void check_golden(const char *name, const struct spec_input *input)
{
	_cleanup_free_ char *path = xasprintf("%s/unit/spec/%s.json", TEST_DATA_DIR, name);
	_cleanup_free_ char *text = NULL, *golden = NULL;
	_cleanup_err_ struct err err = { 0 };
	size_t size;

	if (spec_print(input, &text, &err) < 0)
		fail_msg("%s", err_text(&err));
	if (getenv("SPEC_UPDATE"))
		assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
	if (file_read(path, 1 << 20, &golden, &size, &err) < 0)
		fail_msg("%s", err_text(&err));
	assert_string_equal(text, golden);
}

static struct container *container_new(void)
{
	struct container *container = object_new(&object_kind_container, "web");

	container->is_enabled = true;
	container->restart = CONTAINER_RESTART_ALWAYS;
	return container;
}

static struct container *full_container(void)
{
	struct container *container = container_new();

	container->hostname = xstrdup("www");
	container->netns = xstrdup("/run/netns/web");
	container->command = xstrdup("/bin/sh  -c exit");
	container->memory_bytes = 64 << 20;
	container->cpu_millicores = 1500;
	container->cap_add = 1ULL << CAP_NET_ADMIN;
	container->cap_drop = 1ULL << CAP_CHOWN;
	container_add_env(container, "Z", "last = one");
	container_add_env(container, "A", "first");
	container_add_volume(container, "data", "/data");
	container_add_volume(container, "state", "/tmp");
	container_add_mount(container,
		&(struct container_mount){ .name = (char *)"page",
			.target = (char *)"/www/page",
			.kind = CONTAINER_MOUNT_CONTENT,
			.content = (void *)"\0binary",
			.content_size = 7,
			.mode = 0644,
			.is_read_only = true });
	container_add_mount(container,
		&(struct container_mount){ .name = (char *)"host",
			.target = (char *)"/data/passwd",
			.source = (char *)"/etc/passwd" });
	container_add_mount(container,
		&(struct container_mount){ .name = (char *)"many",
			.target = (char *)"/mnt",
			.kind = CONTAINER_MOUNT_GLOB,
			.source = (char *)"/etc/pass[w]d",
			.is_read_only = true });
	container_add_dns(container, "192.0.2.53");
	container_add_search(container, "example.com");
	container_add_interface(container, "veth0b");
	return container;
}

static void test_plain(void **state)
{
	struct container *container = container_new();
	struct spec_input input;

	container->netns = xstrdup("/run/netns/web");
	input = input_of(container, &plain_image);
	check_golden("plain", &input);
	object_free(&container->object);
}

static void test_full(void **state)
{
	struct container *container = full_container();
	struct spec_input input = input_of(container, &rich_image);
	_cleanup_free_ char *cmdline = spec_cmdline(container, &rich_image);

	check_golden("full", &input);
	assert_string_equal(cmdline, "/bin/sh -c exit");
	object_free(&container->object);
}

/* What the machine lacks is left out, and nobody gets more than the daemon has. */
static void test_poor_machine(void **state)
{
	struct container *container = full_container();
	struct spec_input input = input_of(container, &rich_image);

	input.cgroup = NULL;
	input.has_memory = input.has_cpu = input.has_pids = input.has_seccomp = false;
	input.capability_bounds = 1ULL << CAP_SETUID;
	check_golden("poor-machine", &input);
	object_free(&container->object);
}

static void test_privileged(void **state)
{
	struct container *container = container_new();
	struct spec_input input = input_of(container, &plain_image);

	container->is_privileged = true;
	check_golden("privileged", &input);
	object_free(&container->object);
}

/* --- what restarts a container, and what does not --------------------------------------------------- */

static char *print(const struct container *container)
{
	struct spec_input input = input_of(container, &rich_image);
	char *text = NULL;

	assert_int_equal(spec_print(&input, &text, NULL), 0);
	return text;
}

static void test_difference(void **state)
{
	struct container *container = full_container(), *other = object_copy(&container->object);
	_cleanup_free_ char *before = print(container), *after = NULL;

	other->restart = CONTAINER_RESTART_NEVER;
	other->is_manual = true;
	after = print(other);
	assert_string_equal(after, before);
	assert_int_equal(object_kind_container.compare(&other->object, NULL, &container->object),
		OBJECT_CHANGE);

	((char *)other->mounts[2].content)[1] = 'B';
	assert_string_equal(other->mounts[2].name, "page");
	free(after);
	after = print(other);
	assert_string_not_equal(after, before);
	object_free(&other->object);

	/* Another order of making is no difference. */
	other = object_copy(&container->object);
	container_add_env(container, "X", "1");
	container_add_env(container, "Y", "1");
	container_add_env(other, "Y", "1");
	container_add_env(other, "X", "1");
	assert_int_equal(object_kind_container.compare(&other->object, NULL, &container->object),
		OBJECT_SAME);
	object_free(&other->object);
	object_free(&container->object);
}

static void test_refused(void **state)
{
	static const struct unpacked idle = { .digest = A64,
		.config = { none, none, none, none, (char *)"/", (char *)"", SIGTERM } };
	struct container *container = container_new();
	struct spec_input input = input_of(container, &idle);
	_cleanup_err_ struct err err = { 0 };
	char *text;

	assert_int_equal(spec_print(&input, &text, &err), -EINVAL);
	assert_non_null(strstr(err_text(&err), "command"));

	container_add_mount(container,
		&(struct container_mount){ .name = (char *)"gone",
			.target = (char *)"/mnt",
			.source = (char *)"/nonexistent/file" });
	input.image = &plain_image;
	assert_int_equal(spec_print(&input, &text, &err), -ENOENT);
	assert_non_null(strstr(err_text(&err), "gone"));
	container->mounts[0].kind = CONTAINER_MOUNT_GLOB;
	assert_int_equal(spec_print(&input, &text, &err), -ENOENT);
	object_free(&container->object);
}

static void test_files(void **state)
{
	struct container *container = full_container();
	struct spec_input input = input_of(container, &plain_image);
	char dir[] = "/tmp/test-spec.XXXXXX";
	_cleanup_free_ char *files = NULL, *page = NULL, *hosts = NULL, *resolv = NULL;
	_cleanup_free_ char *bytes = NULL, *text = NULL, *names = NULL;
	struct stat st;
	size_t size;

	assert_non_null(mkdtemp(dir));
	files = file_join(dir, "files");
	page = file_join(files, "page");
	hosts = file_join(files, ".hosts");
	resolv = file_join(files, ".resolv.conf");
	input.files = files;
	assert_int_equal(spec_files(&input, NULL), 0);
	assert_int_equal(spec_files(&input, NULL), 0);
	assert_int_equal(file_read(page, 100, &bytes, &size, NULL), 0);
	assert_int_equal(size, 7);
	assert_memory_equal(bytes, "\0binary", 7);
	assert_int_equal(stat(page, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(file_read(resolv, 1000, &text, &size, NULL), 0);
	assert_string_equal(text, "search example.com\nnameserver 192.0.2.53\n");
	assert_int_equal(file_read(hosts, 1000, &names, &size, NULL), 0);
	assert_non_null(strstr(names, "\twww\n"));
	object_free(&container->object);
	assert_int_equal(file_remove_tree(dir, NULL), 0);
}

static void test_capability_names(void **state)
{
	assert_int_equal(container_capability("net_admin"), CAP_NET_ADMIN);
	assert_int_equal(container_capability("chown"), CAP_CHOWN);
	assert_int_equal(container_capability("syslog"), CAP_SYSLOG);
	assert_int_equal(container_capability("checkpoint_restore"), CAP_CHECKPOINT_RESTORE);
	assert_int_equal(container_capability("net"), -ENOENT);
}

/* --- the record --------------------------------------------------------------------------------------- */

static void test_record(void **state)
{
	struct container *container = full_container();
	struct container *again = object_new(&object_kind_container, "web");
	_cleanup_free_ char *text = record_print(container), *printed = NULL;

	assert_int_equal(record_parse(text, strlen(text), again), 0);
	printed = record_print(again);
	assert_string_equal(printed, text);
	assert_int_equal(object_kind_container.compare(&again->object, NULL, &container->object),
		OBJECT_SAME);
	object_free(&again->object);
	object_free(&container->object);
}

static void test_record_damaged(void **state)
{
	static const char *const texts[] = { "", "[]", "{}", "{\"restart\":9}",
		"{\"restart\":2,\"netns\":null,\"hostname\":null,\"command\":7}",
		"{\"restart\":2,\"netns\":null,\"hostname\":null,\"command\":null,\"env\":[[\"a\"]]}",
		"{\"restart\":2,\"netns\":null,\"hostname\":null,\"command\":null,\"env\":[],"
		"\"mounts\":[{\"name\":\"a\",\"target\":\"b\",\"source\":null,\"content\":\"=\","
		"\"kind\":2}]}" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct container *container = object_new(&object_kind_container, "web");

		if (record_parse(texts[i], strlen(texts[i]), container) != -EBADMSG)
			fail_msg("%s is taken", texts[i]);
		object_free(&container->object);
	}
}

static void test_references(void **state)
{
	static const struct {
		const char *reference;
		bool has_checksum;
		int code;
	} cases[] = {
		{ "oci-archive:/lib/oci/curios.tar.gz", false, 0 },
		{ "oci-archive:/lib/oci/curios.tar.gz:edge", true, 0 },
		{ "oci-archive:name", false, 0 },
		{ "oci:/var/lib/image", false, 0 },
		{ "oci:/var/lib/image:tag", false, 0 },
		{ "curios.tar.gz", true, 0 },
		{ "sub/curios.tar", false, 0 },
		{ "oci:/var/lib/image", true, -EINVAL },
		{ "docker://busybox", false, -EOPNOTSUPP },
		{ "ghcr.io/kernelkit/curios:latest", false, -EOPNOTSUPP },
		{ "https://example.com/x.tar", false, -EOPNOTSUPP },
		{ "oci-archive:", false, -EOPNOTSUPP },
		{ "oci-archive:../x.tar", false, -EOPNOTSUPP },
		{ "oci-archive:/a/../x.tar", false, -EOPNOTSUPP },
		{ "oci-archive:/a..b/x.tar", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_err_ struct err err = { 0 };
		int r = image_check_reference(cases[i].reference, cases[i].has_checksum, &err);

		if (r != cases[i].code)
			fail_msg("%s: %d", cases[i].reference, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_poor_machine),
		cmocka_unit_test(test_privileged),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_capability_names),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_record_damaged),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
