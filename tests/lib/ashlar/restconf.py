"""RESTCONF over one kept-alive HTTPS connection."""

import base64
import http.client
import json
import socket
import ssl

from lxml import etree

JSON = "application/yang-data+json"
XML = "application/yang-data+xml"


class Response:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def xml(self):
        return etree.fromstring(self.body)

    @property
    def error(self):
        """The first error that the body reports."""
        return self.json["ietf-restconf:errors"]["error"][0]


class Connection(http.client.HTTPSConnection):
    def __init__(self, net, host, port, room=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(host, port, context=context)
        self.net = net
        self.room = room
        self.context = context

    def connect(self):
        plain = (self.net.connect(self.host, self.port, room=self.room) if self.net
                 else socket.create_connection((self.host, self.port)))
        self.sock = self.context.wrap_socket(plain, server_hostname=self.host)


class Events:
    """An event stream: what comes, and what has come before."""

    def __init__(self, client, path, headers):
        self.client = client
        self.comments = 0
        client.connection.request("GET", path, headers=headers)
        self.response = client.connection.getresponse()
        self.status = self.response.status
        self.headers = self.response.headers

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.response.close()
        self.client.close()

    def text(self):
        """The data of the next event; None: the stream has ended."""
        lines = []
        while True:
            line = self.response.readline().decode()
            if not line:
                assert not lines, lines
                return None
            assert line.endswith("\n") and "\r" not in line, line
            if line.startswith("data: "):
                lines.append(line[6:-1])
            elif line == ":\n":
                self.comments += 1
            else:
                assert line == "\n", line
                if lines:
                    return "\n".join(lines)

    def comment(self):
        """Waits for a word that there is nothing to say."""
        while self.response.readline() != b":\n":
            pass

    def json(self):
        """(time, name, content) of the next one; None at the end."""
        text = self.text()
        if text is None:
            return None
        ((envelope, content),) = json.loads(text).items()
        assert envelope == "ietf-restconf:notification" and len(content) == 2
        when = content.pop("eventTime")
        ((name, value),) = content.items()
        return when, name, value

    def xml(self):
        """The <notification>; None at the end."""
        text = self.text()
        return None if text is None else etree.fromstring(text)


class Client:
    """ROOM: bytes that are received while nobody reads; None: as many as the system likes."""

    def __init__(self, net, port, user, password, host="127.0.0.1", room=None):
        self.connection = Connection(net, host, port, room)
        self.headers = {}
        if user is not None:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            self.headers["Authorization"] = f"Basic {token}"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.connection.close()

    def request(self, method, path, body=None, headers=None):
        """PATH below /restconf, or absolute; a dict as BODY is sent as JSON."""
        all_headers = {**self.headers, **(headers or {})}
        if isinstance(body, dict):
            body = json.dumps(body)
            all_headers.setdefault("Content-Type", JSON)
        if not path.startswith("/"):
            path = f"/restconf/{path}"
        self.connection.request(method, path, body, all_headers)
        return Response(self.connection.getresponse())

    def stream(self, path, **headers):
        """An event stream; this connection is its own from now on."""
        return Events(self, path, {**self.headers, "Accept": "text/event-stream", **headers})

    def get(self, path, accept=JSON, **headers):
        return self.request("GET", path, headers={"Accept": accept, **headers})

    def put(self, path, body, **headers):
        return self.request("PUT", path, body, headers)

    def patch(self, path, body, **headers):
        return self.request("PATCH", path, body, headers)

    def post(self, path, body=None, **headers):
        return self.request("POST", path, body, headers)

    def delete(self, path, **headers):
        return self.request("DELETE", path, headers=headers)
