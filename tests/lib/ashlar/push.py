"""Subscriptions by NETCONF (RFC 8639, RFC 8641): asked for, and what they send."""

from lxml import etree

from ashlar.netconf import strip_namespaces

SN = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
YP = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
DS = "urn:ietf:params:xml:ns:yang:ietf-datastores"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
IF = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
TARGET = "/ietf-interfaces:interfaces/interface="


def establish(nc, body):
    reply = nc.rpc(f'<establish-subscription xmlns="{SN}" xmlns:yp="{YP}" xmlns:ds="{DS}">'
                   f"{body}</establish-subscription>")
    return int(reply.findtext(f"{{{SN}}}id"))


def call(nc, name, body, namespace=SN):
    nc.ok(f'<{name} xmlns="{namespace}" xmlns:yp="{YP}">{body}</{name}>')


def on_change(nc, selection="", datastore="running", dampening=None, sync=None, excluded=()):
    inside = "".join(
        ([f"<yp:dampening-period>{dampening}</yp:dampening-period>"] if dampening else [])
        + ([f"<yp:sync-on-start>{sync}</yp:sync-on-start>"] if sync else [])
        + [f"<yp:excluded-change>{change}</yp:excluded-change>" for change in excluded])
    return establish(nc, f"<yp:datastore>ds:{datastore}</yp:datastore>{selection}"
                         f"<yp:on-change>{inside}</yp:on-change>")


def periodic(nc, period, selection="", datastore="running", anchor=None):
    anchored = f"<yp:anchor-time>{anchor}</yp:anchor-time>" if anchor else ""
    return establish(nc, f"<yp:datastore>ds:{datastore}</yp:datastore>{selection}"
                         f"<yp:periodic><yp:period>{period}</yp:period>{anchored}</yp:periodic>")


def xpath(text):
    quoted = text.replace("&", "&amp;").replace("<", "&lt;")
    return (f'<yp:datastore-xpath-filter xmlns:if="{IF}" '
            f'xmlns:ip="urn:ietf:params:xml:ns:yang:ietf-ip">{quoted}</yp:datastore-xpath-filter>')


def subtree(text):
    return f"<yp:datastore-subtree-filter>{text}</yp:datastore-subtree-filter>"


def one(name, inside=""):
    return subtree(f'<interfaces xmlns="{IF}"><interface><name>{name}</name>{inside}</interface>'
                   "</interfaces>")


def event(session):
    message = session.notification()
    assert len(message) == 2
    return strip_namespaces(message[1])


def update(session, number):
    """The contents of the next push-update."""
    node = event(session)
    assert node.tag == "push-update", etree.tostring(node)
    assert node.findtext("id") == str(number)
    return node.find("datastore-contents")


def edits(session, number, patch=None):
    """[(operation, target, value)] of the next push-change-update."""
    node = event(session)
    assert node.tag == "push-change-update", etree.tostring(node)
    assert node.findtext("id") == str(number)
    found = node.find("datastore-changes/yang-patch")
    assert patch is None or found.findtext("patch-id") == str(patch)
    ids = [edit.findtext("edit-id") for edit in found.iter("edit")]
    assert ids and len(set(ids)) == len(ids)
    return [(edit.findtext("operation"), edit.findtext("target"), edit.find("value"))
            for edit in found.iter("edit")]


def plain(changes):
    """With leaves' texts as values."""
    return [(operation, target, None if value is None else value[0].text)
            for operation, target, value in changes]


def made_again(session, number, name, index):
    """Reads on until the interface is told of with another number than INDEX."""
    entry = TARGET + name
    while True:
        for _, target, value in edits(session, number):
            if value is None or target not in (entry, entry + "/if-index"):
                continue
            found = value[0].text if target != entry else value.findtext(".//if-index")
            if found not in (None, str(index)):
                return
