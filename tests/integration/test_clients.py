"""Clients as they are: what they write that no RFC asks for, and what they leave in what they send."""

import ctypes

import pytest
from lxml import etree

from ashlar import config
from ashlar.netconf import BASE, RpcError

IF = config.namespaces()["ietf-interfaces"]
YANG = "urn:ietf:params:xml:ns:yang:1"
WD = "urn:ietf:params:xml:ns:netconf:default:1.0"
OR = config.namespaces()["ietf-origin"]


def names(data):
    return [node.text for node in data.findall("interfaces/interface/name")]


@pytest.mark.parametrize("xpath", [
    "/interfaces/interface[name='br0']",
    "/interfaces/interface[name='br0']/ipv4/address",
    "//interface[name='br0']/ipv4",
    "/interfaces/interface[starts-with(name, 'br')]",
    "//interface[contains(name, 'r0')]/ipv4/address[ip='192.0.2.1']",
    "//ipv4[address/ip='192.0.2.1']",
    "/*/interface[ipv4/address/prefix-length = 24][name != 'lo']",
])
def test_unprefixed(nc, xpath):
    """Names without prefix mean every module's: libyang does so without a default namespace."""
    for data in nc.get_config(xpath=xpath), nc.get(xpath=xpath):
        assert names(data) == ["br0"], etree.tostring(data)


def edit(nc, attributes, leaf="", operation=""):
    nc.ok(f'<edit-config><target><running/></target><config xmlns:nc="{BASE}" xmlns:yang="{YANG}" '
          f'xmlns:ncwd="{WD}" xmlns:or="{OR}"><interfaces xmlns="{IF}" {attributes}>'
          f"<interface {attributes}><name>br0</name><description {attributes} {leaf}>x</description>"
          f"</interface></interfaces></config></edit-config>")


@pytest.mark.parametrize("attributes", [
    'yang:insert="last"', 'yang:insert="before" yang:key="[name=\'lo\']"', 'yang:value="5"',
    'yang:orig-default="true"', 'yang:orig-value="y"', 'yang:key=""', 'yang:position="3"',
    'nc:type="subtree"', 'nc:select="/a"', 'or:origin="or:system"', 'or:origin="or:intended"',
])
def test_attributes_without_meaning(nc, attributes):
    """They are ignored, and nothing of them is kept."""
    before = etree.tostring(nc.get_config(), method="c14n")
    edit(nc, attributes)
    nc.edit(config.interfaces({"name": "br0", "@description":
                               {"ietf-netconf:operation": "delete"}, "description": "x"}))
    assert etree.tostring(nc.get_config(), method="c14n") == before


@pytest.mark.parametrize("attributes", ['nc:unknown="1"', 'yang:unknown="1"'])
def test_unknown_attributes(nc, attributes):
    """RFC 6241 appendix A: what nobody has defined is an error."""
    with pytest.raises(RpcError) as refused:
        edit(nc, attributes)
    assert refused.value.tag == "unknown-attribute"


def test_wrong_operation(nc):
    """What has a meaning still has to make sense."""
    with pytest.raises(RpcError) as refused:
        edit(nc, 'nc:operation="burn"')
    assert refused.value.tag in ("bad-attribute", "unknown-attribute", "invalid-value")


def test_foreign_attribute(nc):
    """Attributes of other namespaces are no annotations of ours."""
    with pytest.raises(RpcError) as refused:
        edit(nc, 'xmlns:x="urn:x" x:y="1"')
    assert refused.value.tag in ("unknown-attribute", "unknown-namespace")


# --- values tagged as defaults -----------------------------------------------------------------

def set_enabled(nc, value, operation="merge", name="br0"):
    nc.ok(f'<edit-config><target><running/></target><config xmlns:nc="{BASE}" xmlns:ncwd="{WD}">'
          f'<interfaces xmlns="{IF}"><interface><name>{name}</name>'
          f'<enabled ncwd:default="true" nc:operation="{operation}">{value}</enabled>'
          f"</interface></interfaces></config></edit-config>")


def enabled(nc, name="br0"):
    return nc.interface(name, "running").findtext("enabled")


@pytest.mark.parametrize("operation", ["merge", "replace"])
def test_tagged_default(nc, operation):
    """RFC 6243 section 4.5.2: a value tagged as the default goes back to what it is by default."""
    for value in True, False:
        nc.edit(config.interfaces({"name": "br0", "enabled": value}))
        assert enabled(nc) == str(value).lower()
        set_enabled(nc, "true", operation)
        assert enabled(nc) is None
    set_enabled(nc, "true", "create")
    assert enabled(nc) is None
    nc.edit(config.interfaces({"name": "br0", "enabled": True}))
    with pytest.raises(RpcError) as refused:
        set_enabled(nc, "true", "create")
    assert refused.value.tag == "data-exists"


def test_tagged_wrong(nc):
    """RFC 6243 section 4.5.2: it must be the default, and be set."""
    for value, operation in ("false", "merge"), ("true", "delete"), ("true", "remove"):
        with pytest.raises(RpcError) as refused:
            set_enabled(nc, value, operation)
        assert refused.value.tag == "invalid-value"


def test_tagged_in_new(nc):
    """What was read with tags can be written again, and says the same."""
    nc.ok(f'<edit-config><target><running/></target><config xmlns:ncwd="{WD}">'
          f'<interfaces xmlns="{IF}"><interface><name>br9</name>'
          '<type xmlns:t="urn:infix:params:xml:ns:yang:infix-if-type">t:bridge</type>'
          '<enabled ncwd:default="true">true</enabled></interface></interfaces></config>'
          "</edit-config>".replace("urn:infix:params:xml:ns:yang:infix-if-type",
                                   config.namespaces()["infix-if-type"]))
    assert enabled(nc, "br9") is None


# --- passwords ---------------------------------------------------------------------------------

@pytest.mark.parametrize("prefix", ["$1$", "$5$", "$6$", "$y$j9T$"])
def test_password_hashes(daemon, nc, prefix):
    """Hashes of every kind that other systems write are taken, and let their user in."""
    hashed = crypt_of(prefix)
    nc.edit({"ietf-system:system": {"authentication": {"user": [config.user("other", hashed)]}},
             **config.access({"admin": ["admin", "other"]})})
    shown = nc.get_config().findtext(
        "system/authentication/user[name='other']/password")
    assert shown == hashed
    with daemon.ssh("other", config.PASSWORD) as session:
        assert session.get_config() is not None


def crypt_of(prefix):
    libcrypt = ctypes.CDLL("libcrypt.so.1")
    libcrypt.crypt.restype = ctypes.c_char_p
    return libcrypt.crypt(config.PASSWORD.encode(), (prefix + "saltsalt").encode()).decode()
