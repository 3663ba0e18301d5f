/*
 * ashlar-provision SHARE-DIR: gets what a URL names for a device that has no configuration, and opens it
 * (conveyed.h), for the daemon, which reads nothing of strangers.
 *
 * Standard input: the URL, https or http. Standard output: "merge" or "replace", a newline, and the configuration; or,
 * with exit status 1, why there is none. Besides the system's authorities that in provision-ca.crt is believed; it
 * alone may vouch for signatures.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/str.h"
#include "ashlar/transfer.h"

#include "conveyed.h"

#define URL_MAX	    4096
#define ANCHORS_MAX ((size_t)1 << 20)
#define RELEASE_MAX ((size_t)1 << 20)
#define VERSION_MAX 128

static int fail(const struct err *err)
{
	(void)!write(STDOUT_FILENO, err_text(err), strlen(err_text(err)));
	return 1;
}

static int read_url(char *url, size_t room, struct err *err)
{
	size_t length = 0;
	ssize_t got;

	while (length < room - 1 && (got = read(STDIN_FILENO, url + length, room - 1 - length)) > 0)
		length += (size_t)got;
	url[length] = '\0';
	if (!str_starts(url, "https://") && !str_starts(url, "http://"))
		return err_set(
			err, -EINVAL, NULL, "the URL begins with neither https:// nor http://");
	return 0;
}

/* What the image says of itself; "": nothing. */
static void read_version(const char *share_dir, char *version, size_t room)
{
	_cleanup_free_ char *path = file_join(share_dir, "release.json"), *text = NULL;
	const char *found;
	json_t *release;
	size_t size;

	*version = '\0';
	if (file_read(path, RELEASE_MAX, &text, &size, NULL) < 0)
		return;
	release = json_loadb(text, size, 0, NULL);
	found = json_string_value(json_object_get(release, "version"));
	if (found && str_copy(version, room, found) < 0)
		*version = '\0';
	json_decref(release);
}

static int get(const char *url, const struct transfer_trust *trust, const char *anchors,
	const char *version, struct err *err)
{
	struct conveyed_rules rules = {
		.is_authentic = str_starts(url, "https://"),
		.anchors = anchors,
		.version = version,
	};
	struct transfer_opts opts = {
		/* one that begins safely does not go on otherwise */
		.protocols = rules.is_authentic ? "https" : "https,http",
		.trust = trust,
		.max = CONVEYED_MAX,
	};
	_cleanup_(buf_done) struct buf config = { 0 };
	_cleanup_free_ char *text = NULL;
	bool is_merge;
	size_t size;
	int r = transfer_text(url, &opts, &text, &size, NULL, err);

	if (r == 0)
		r = conveyed_open(text, size, &rules, &config, &is_merge, err);
	if (r < 0)
		return r;
	if (file_write_all(STDOUT_FILENO, is_merge ? "merge\n" : "replace\n", is_merge ? 6 : 8) <
			0 ||
		(config.length &&
			file_write_all(STDOUT_FILENO, buf_bytes(&config), config.length) < 0))
		return err_set(err, -EPIPE, NULL, "nobody reads it");
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_err_ struct err err = { 0 };
	_cleanup_free_ char *path = NULL, *anchors = NULL;
	struct transfer_trust trust = { NULL, 0 };
	char url[URL_MAX], version[VERSION_MAX];
	size_t size = 0;
	int r;

	if (argc != 2)
		return 2;
	path = file_join(argv[1], "provision-ca.crt");
	if (file_read(path, ANCHORS_MAX, &anchors, &size, NULL) < 0)
		anchors = xstrdup(""); /* nobody */
	read_version(argv[1], version, sizeof(version));
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (transfer_trust_read(anchors, size, &trust) < 0 || transfer_drop_privileges() < 0)
		r = err_set(&err, -EIO, NULL, "there is no way to fetch anything");
	else
		r = read_url(url, sizeof(url), &err);
	if (r == 0)
		r = get(url, &trust, anchors, version, &err);
	transfer_trust_done(&trust);
	curl_global_cleanup();
	return r < 0 ? fail(&err) : 0;
}
