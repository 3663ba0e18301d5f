/*
 * Latency as a NETCONF client sees it. The items take turns, so that all of them meet the same noise:
 *
 *	PORT:FILE,...	send the rpc in each FILE on one session for all rounds, the next one when the reply
 *			has come; from the first byte sent to the last one of the last reply; a reply with
 *			an error ends the program
 *	PORT:		a new connection each round, from connect() to the server's whole <hello>
 *	link:NAME	one netlink request with its acknowledgement: the link's alias is changed
 *
 * Prints for each item "bytes INDEX SIZE" of the last answer and "sample INDEX NANOSECONDS" each round.
 */
#include <libmnl/libmnl.h>
#include <libssh/libssh.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "bench.h"

#define ITEMS_MAX    32
#define REQUESTS_MAX 4
#define HELLO                                                                                      \
	"<hello xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><capabilities><capability>"      \
	"urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>]]>]]>"

struct item {
	unsigned port;
	struct request requests[REQUESTS_MAX];
	unsigned count;
	ssh_session session;
	ssh_channel channel;
	struct mnl_socket *netlink;
	unsigned link;
	size_t answer;
};

static const char *user, *key_file;
static ssh_key key;
static char *input;
static size_t input_room;

static void option(ssh_session session, enum ssh_options_e which, const void *value)
{
	if (ssh_options_set(session, which, value) < 0)
		die("option: %s", ssh_get_error(session));
}

/* Reads until the input ends with @end; its size. */
static size_t receive(struct item *item, const char *end)
{
	size_t size = 0, tail = strlen(end);

	for (;;) {
		int got;

		if (size + 65536 > input_room) {
			input_room = 2 * input_room + 131072;
			input = realloc(input, input_room);
			if (!input)
				die("out of memory");
		}
		got = ssh_channel_read(item->channel, input + size, 65535, 0);
		if (got <= 0)
			die("port %u: the server ended the session", item->port);
		size += (size_t)got;
		if (size >= tail && !memcmp(input + size - tail, end, tail))
			break;
	}
	input[size] = '\0';
	return size;
}

static void send_all(struct item *item, const char *text, size_t size)
{
	while (size) {
		int sent = ssh_channel_write(item->channel, text, (uint32_t)size);

		if (sent <= 0)
			die("port %u: %s", item->port, ssh_get_error(item->session));
		text += sent;
		size -= (size_t)sent;
	}
}

/* Up to the server's <hello>. */
static void open_session(struct item *item)
{
	socket_t fd = connect_to(item->port);
	bool no = false;

	item->session = ssh_new();
	option(item->session, SSH_OPTIONS_HOST, "127.0.0.1");
	option(item->session, SSH_OPTIONS_USER, user);
	option(item->session, SSH_OPTIONS_FD, &fd);
	option(item->session, SSH_OPTIONS_PROCESS_CONFIG, &no);
	option(item->session, SSH_OPTIONS_KEY_EXCHANGE, "curve25519-sha256");
	option(item->session, SSH_OPTIONS_HOSTKEYS, "ssh-ed25519");
	option(item->session, SSH_OPTIONS_CIPHERS_C_S, "aes128-gcm@openssh.com");
	option(item->session, SSH_OPTIONS_CIPHERS_S_C, "aes128-gcm@openssh.com");
	if (ssh_connect(item->session) != SSH_OK ||
		ssh_userauth_publickey(item->session, NULL, key) != SSH_AUTH_SUCCESS)
		die("port %u: %s", item->port, ssh_get_error(item->session));
	item->channel = ssh_channel_new(item->session);
	if (ssh_channel_open_session(item->channel) != SSH_OK ||
		ssh_channel_request_subsystem(item->channel, "netconf") != SSH_OK)
		die("port %u: %s", item->port, ssh_get_error(item->session));
	item->answer = receive(item, "]]>]]>");
}

static void close_session(struct item *item)
{
	ssh_channel_free(item->channel);
	ssh_disconnect(item->session);
	ssh_free(item->session);
}

static void open_link(struct item *item, const char *name)
{
	item->link = if_nametoindex(name);
	item->netlink = mnl_socket_open(NETLINK_ROUTE);
	if (!item->link || !item->netlink ||
		mnl_socket_bind(item->netlink, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink, %s: %m", name);
}

/* The framed rpc: a chunk header, the text, the end of chunks. */
static void frame(struct request *request)
{
	char head[32];
	size_t at = (size_t)snprintf(head, sizeof(head), "\n#%zu\n", request->size);
	char *text = malloc(at + request->size + 5);

	if (!text)
		die("out of memory");
	memcpy(text, head, at);
	memcpy(text + at, request->text, request->size);
	strcpy(text + at + request->size, "\n##\n");
	for (unsigned i = 0; i < request->count; i++)
		request->places[i] += at;
	free(request->text);
	request->text = text;
	request->size += at + 4;
}

static void open_item(struct item *item, const char *text)
{
	const char *colon = strchr(text, ':');
	char *files, *file;

	if (!colon)
		die("%s: PORT:FILE, PORT: or link:NAME", text);
	if (!strncmp(text, "link:", 5)) {
		open_link(item, colon + 1);
		return;
	}
	item->port = (unsigned)atoi(text);
	if (!colon[1])
		return;
	files = strdup(colon + 1);
	while ((file = strsep(&files, ","))) {
		if (item->count == REQUESTS_MAX)
			die("%s: too many requests", text);
		request_read(&item->requests[item->count], file);
		frame(&item->requests[item->count++]);
	}
	open_session(item);
	send_all(item, HELLO, strlen(HELLO));
}

static uint64_t run_link(struct item *item)
{
	static unsigned number;
	char buffer[512], alias[32];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;
	uint64_t began = now_ns();
	ssize_t got;

	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = ++number;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifi_index = (int)item->link;
	snprintf(alias, sizeof(alias), "number %08u", number);
	mnl_attr_put_str(message, IFLA_IFALIAS, alias);
	if (mnl_socket_sendto(item->netlink, message, message->nlmsg_len) < 0)
		die("netlink: %m");
	got = mnl_socket_recvfrom(item->netlink, buffer, sizeof(buffer));
	if (got < 0 ||
		mnl_cb_run(buffer, (size_t)got, number, mnl_socket_get_portid(item->netlink), NULL,
			NULL) < 0)
		die("netlink: %m");
	return now_ns() - began;
}

static uint64_t run_rpc(struct item *item, struct request *request)
{
	uint64_t began, took;

	request_number(request);
	began = now_ns();
	send_all(item, request->text, request->size);
	item->answer = receive(item, "\n##\n");
	took = now_ns() - began;
	/* An error stands at the beginning or behind what was read: both ends are looked at. */
	if (strstr(item->answer > 8192 ? input + item->answer - 8192 : input, "<rpc-error"))
		die("port %u: %.*s\n%.4000s", item->port, 400, request->text, input);
	return took;
}

static uint64_t run_item(struct item *item)
{
	uint64_t began, took = 0;

	if (item->netlink)
		return run_link(item);
	for (unsigned i = 0; i < item->count; i++)
		took += run_rpc(item, &item->requests[i]);
	if (item->count)
		return took;
	began = now_ns();
	open_session(item);
	took = now_ns() - began;
	close_session(item);
	return took;
}

int main(int argc, char **argv)
{
	static struct item items[ITEMS_MAX];
	int rounds, count = argc - 4;
	uint64_t *samples;

	if (argc < 5 || count > ITEMS_MAX)
		die("usage: %s USER KEY-FILE ROUNDS ITEM...", argv[0]);
	user = argv[1];
	key_file = argv[2];
	rounds = atoi(argv[3]);
	if (ssh_pki_import_privkey_file(key_file, NULL, NULL, NULL, &key) != SSH_OK)
		die("%s: no private key", key_file);
	samples = calloc((size_t)rounds * (size_t)count, sizeof(*samples));
	if (!samples)
		die("out of memory");
	for (int i = 0; i < count; i++)
		open_item(&items[i], argv[4 + i]);
	for (int at = 0; at < rounds * count; at++)
		samples[at] = run_item(&items[at % count]);
	for (int i = 0; i < count; i++)
		printf("bytes %d %zu\n", i, items[i].answer);
	for (int at = 0; at < rounds * count; at++)
		printf("sample %d %llu\n", at % count, (unsigned long long)samples[at]);
	return 0;
}
