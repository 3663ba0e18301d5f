"""What the integration tests stand on.

network     namespaces with ports, looking at and waiting for what the kernel has
daemon      one ashlard in such a namespace: start, stop, kill, its log
netconf     NETCONF sessions spoken by hand over ssh or the local socket, and through ncclient
restconf    HTTPS requests over one kept-alive connection
config      configuration as Python data: the usual startup file, RFC 7951 data to XML
frames      Ethernet frames as they are on the wire
netlink     every netlink message of a namespace (in guests)

Nothing here sleeps: what has to happen is waited for through its own event, with a deadline.
"""

import pathlib

TOP = pathlib.Path(__file__).resolve().parents[3]

# seconds after which something that was waited for counts as not happening
DEADLINE = 20
