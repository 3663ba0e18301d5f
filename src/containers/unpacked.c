/*
 * What is known of an unpacked image. Written by the unpacking process from what the image says, read
 * by the daemon, which trusts neither: it is parsed with the same limits as the original.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ashlar/str.h"
#include "unpacked.h"

#define ACCOUNTS_MAX ((size_t)1 << 20) /* bytes of /etc/passwd, /etc/group */
#define FIELDS_MAX   7

void unpacked_done(struct unpacked *unpacked)
{
	oci_config_done(&unpacked->config);
}

/* --- the document ---------------------------------------------------------------------------------- */

static json_t *strings_to_json(char **strings)
{
	json_t *list = json_array();
	size_t i;

	/* Names and arguments need not be UTF-8 to the kernel, but they came out of JSON. */
	for (i = 0; strings && strings[i]; i++)
		json_array_append_new(list, json_string(strings[i]));
	return list;
}

static json_t *volumes_to_json(char **volumes)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; volumes && volumes[i]; i++)
		json_object_set_new(object, volumes[i], json_object());
	return object;
}

char *unpacked_print(const struct unpacked *unpacked)
{
	const struct oci_config *config = &unpacked->config;
	json_t *groups = json_array(), *root;
	char signal[16], *text;
	size_t i;

	for (i = 0; i < unpacked->group_count; i++)
		json_array_append_new(groups, json_integer(unpacked->groups[i]));
	(void)snprintf(signal, sizeof(signal), "%d", config->stop_signal);
	root = json_pack("{s:s, s:s, s:I, s:I, s:o, s:{s:o, s:o, s:o, s:o, s:s, s:s, s:s}}",
		"digest", unpacked->digest, "id", unpacked->id, "uid", (json_int_t)unpacked->uid,
		"gid", (json_int_t)unpacked->gid, "groups", groups, "config", "Entrypoint",
		strings_to_json(config->entrypoint), "Cmd", strings_to_json(config->cmd), "Env",
		strings_to_json(config->env), "Volumes", volumes_to_json(config->volumes),
		"WorkingDir", config->workdir, "User", config->user, "StopSignal", signal);
	text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	return text;
}

static int take_digest(const json_t *root, const char *name, char digest[OCI_DIGEST_MAX])
{
	const char *text = json_string_value(json_object_get(root, name));
	uint8_t bytes[32];

	if (!text || strlen(text) != 64 || str_unhex(bytes, sizeof(bytes), text, 0) < 0)
		return -EBADMSG;
	str_hex(digest, bytes, sizeof(bytes));
	return 0;
}

static int take_id(const json_t *json, uint32_t *ret_id)
{
	json_int_t value = json_integer_value(json);

	if (!json_is_integer(json) || value < 0 || value >= UINT32_MAX)
		return -EBADMSG;
	*ret_id = (uint32_t)value;
	return 0;
}

static int take_groups(const json_t *list, struct unpacked *unpacked)
{
	size_t count = json_array_size(list), i;
	int ret = 0;

	if (!json_is_array(list) || count > UNPACKED_GROUPS_MAX)
		return -EBADMSG;
	for (i = 0; ret == 0 && i < count; i++)
		ret = take_id(json_array_get(list, i), &unpacked->groups[i]);
	unpacked->group_count = count;
	return ret;
}

int unpacked_parse(const char *text, size_t size, struct unpacked *ret_unpacked, struct err *err)
{
	struct unpacked unpacked = { 0 };
	_cleanup_(json_decrefp) json_t *root = NULL;
	int ret;

	/* The part that is an image's own configuration has its parser. */
	ret = oci_parse_config(text, size, &unpacked.config, err);
	if (ret < 0)
		return ret;
	root = json_loadb(text, size, 0, NULL);
	ret = take_digest(root, "digest", unpacked.digest);
	if (ret == 0)
		ret = take_digest(root, "id", unpacked.id);
	if (ret == 0)
		ret = take_id(json_object_get(root, "uid"), &unpacked.uid);
	if (ret == 0)
		ret = take_id(json_object_get(root, "gid"), &unpacked.gid);
	if (ret == 0)
		ret = take_groups(json_object_get(root, "groups"), &unpacked);
	if (ret < 0) {
		unpacked_done(&unpacked);
		return err_set(err, ret, NULL, "%s of an unpacked image is damaged", UNPACKED_FILE);
	}
	*ret_unpacked = unpacked;
	return 0;
}

/* --- the user --------------------------------------------------------------------------------------- */

/* "" when there is none. */
static char *read_accounts(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	char *text = xcalloc(1, ACCOUNTS_MAX + 1);
	size_t size = 0;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return text;
	do {
		got = read(fd, text + size, ACCOUNTS_MAX - size);
		if (got > 0)
			size += (size_t)got;
	} while (got > 0 && size < ACCOUNTS_MAX);
	text[size] = '\0';
	return text;
}

/* The next line cut at its colons, in place; false at the end. Missing fields are "". */
static bool next_account(char **at, char *fields[FIELDS_MAX])
{
	char *line = strsep(at, "\n");
	size_t i;

	if (!line)
		return false;
	for (i = 0; i < FIELDS_MAX; i++) {
		char *field = strsep(&line, ":");

		fields[i] = field ? field : (char *)"";
	}
	return true;
}

static bool take_number(const char *text, uint32_t *ret_number)
{
	uint64_t number;

	if (str_u64(text, 0, UINT32_MAX - 1, &number) < 0)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

/* By name or number; *ret_name is the account's name if it has one. A number needs no account. */
static bool find_passwd(
	const char *user, char *accounts, struct unpacked *unpacked, const char **ret_name)
{
	bool is_number = take_number(user, &unpacked->uid);
	char *fields[FIELDS_MAX];
	uint32_t uid, gid;

	while (next_account(&accounts, fields)) {
		if (!take_number(fields[2], &uid) || !take_number(fields[3], &gid))
			continue;
		if (is_number ? uid != unpacked->uid : strcmp(fields[0], user) != 0)
			continue;
		unpacked->uid = uid;
		unpacked->gid = gid;
		*ret_name = fields[0];
		return true;
	}
	return is_number;
}

static bool is_member(char *members, const char *name)
{
	char *member;

	while ((member = strsep(&members, ",")))
		if (strcmp(member, name) == 0)
			return true;
	return false;
}

/* @group (may be NULL) by name or number, and the groups that @name (may be NULL) is a member of. */
static bool find_groups(
	const char *group, const char *name, char *accounts, struct unpacked *unpacked)
{
	bool is_found = !group || take_number(group, &unpacked->gid);
	char *fields[FIELDS_MAX];
	uint32_t gid;

	while (next_account(&accounts, fields)) {
		if (!take_number(fields[2], &gid))
			continue;
		if (!is_found && strcmp(fields[0], group) == 0) {
			unpacked->gid = gid;
			is_found = true;
		}
		/* With a group of its own choice the image gets no other. */
		if (!group && name && unpacked->group_count < UNPACKED_GROUPS_MAX &&
			is_member(fields[3], name))
			unpacked->groups[unpacked->group_count++] = gid;
	}
	return is_found;
}

int unpacked_find_user(struct unpacked *unpacked, int root, struct err *err)
{
	_cleanup_free_ char *passwd = NULL, *groups = NULL;
	_cleanup_free_ char *user = xstrdup(unpacked->config.user);
	char *group = strchr(user, ':');
	const char *name = NULL;

	unpacked->uid = unpacked->gid = 0;
	unpacked->group_count = 0;
	if (group)
		*group++ = '\0';
	if (group && !group[0])
		group = NULL;
	passwd = read_accounts(root, "/etc/passwd");
	groups = read_accounts(root, "/etc/group");
	if (user[0] && !find_passwd(user, passwd, unpacked, &name))
		return err_set(
			err, -ENOENT, NULL, "the image runs as user %s, which it lacks", user);
	if (!find_groups(group, name, groups, unpacked))
		return err_set(
			err, -ENOENT, NULL, "the image runs as group %s, which it lacks", group);
	return 0;
}
