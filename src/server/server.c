/* Starting and stopping the protocol servers. */
#include "ashlar/server.h"
#include "ashlar/datastore.h"
#include "ashlar/file.h"

#include "auth.h"
#include "call-home.h"
#include "cert-expiry.h"
#include "hardware-events.h"
#include "keys-made.h"
#include "nc-hello.h"
#include "place.h"
#include "rc-conn.h"
#include "rc-stream.h"
#include "restconf.h"
#include "service.h"
#include "session.h"
#include "ssh.h"
#include "subscribe.h"
#include "tls.h"
#include "unix.h"
#include "upgrade-events.h"
#include "url.h"

int server_prepare(struct err *err)
{
	return auth_prepare(err);
}

static void on_options(const struct server_options *options)
{
	nc_hello_leave_out(
		options ? options->unannounced : NULL, options ? options->unannounced_count : 0);
	cert_expiry_set(options ? options->intervals : NULL, options ? options->interval_count : 0);
}

static int start(const struct server_config *config, struct err *err)
{
	_cleanup_free_ char *socket_path = file_join(config->run_dir, "netconf.sock");
	int ret;

	ssh_server_start();
	ret = tls_server_start(err);
	if (ret == 0)
		ret = unix_server_start(socket_path, err);
	if (ret == 0)
		ret = service_start(config, err);
	if (ret == 0)
		call_home_start();
	if (ret == 0) {
		server_options_on_change(on_options);
		cert_expiry_start();
		hardware_events_start();
		upgrade_events_start();
	}
	return ret;
}

int server_start(const struct server_config *config, struct err *err)
{
	int ret;

	place_prepare();
	url_init(config->config_dir);
	auth_start();
	session_start();
	ds_set_state_provider("/ietf-netconf-monitoring:netconf-state", server_monitoring_show);
	ds_set_state_provider("/ietf-restconf-monitoring:restconf-state", restconf_monitoring_show);
	ds_set_state_provider("/nc-notifications:netconf", subscribe_show_netconf);
	ds_set_state_provider("/" SUBSCRIBED_MODULE ":streams", subscribe_show_streams);
	ds_set_state_provider("/" SUBSCRIBED_MODULE ":subscriptions", subscribe_show);
	ret = start(config, err);
	if (ret < 0)
		server_stop();
	else
		keys_made_start();
	return ret;
}

void server_stop(void)
{
	keys_made_stop();
	server_options_on_change(NULL);
	cert_expiry_stop();
	upgrade_events_stop();
	hardware_events_stop();
	call_home_stop();
	service_stop();
	rc_conn_destroy_all();
	rc_stream_done();
	tls_server_stop();
	ssh_server_stop();
	unix_server_stop();
	auth_done();
	nc_hello_done();
	url_done();
}

uint32_t server_sessions_seen(void)
{
	return session_totals()->remote_sessions;
}
