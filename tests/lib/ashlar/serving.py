"""Configuration of the servers: ietf-netconf-server with keys and trust."""

import ssl

from . import DEADLINE, netconf
from .network import run
from .pki import b64

SSH = "infix-crypto-types:ssh-public-key-format"
X509 = "infix-crypto-types:x509-public-key-format"
EC = "ietf-crypto-types:ec-private-key-format"
RSA = "infix-crypto-types:rsa-private-key-format"
OPENSSH = "libnetconf2-netconf-server:openssh-private-key-format"


def keystore(*keys):
    return {"ietf-keystore:keystore": {"asymmetric-keys": {"asymmetric-key": list(keys)}}}


def tls_key(name, key, **certs):
    """An entry of the keystore: an EC key with certificates as DER."""
    return {"name": name, "public-key-format": X509, "private-key-format": EC,
            "cleartext-private-key": b64(key.der), "certificates": {"certificate": [
                {"name": cert, "cert-data": b64(data)} for cert, data in certs.items()]}}


def bags(**certs):
    """A bag for each name, with the certificates of a list of DER."""
    return {"ietf-truststore:truststore": {"certificate-bags": {"certificate-bag": [
        {"name": name, "certificate": [{"name": f"c{i}", "cert-data": b64(der)}
                                       for i, der in enumerate(ders)]}
        for name, ders in certs.items()]}}}


def netconf_server(*endpoints, **listen):
    return {"ietf-netconf-server:netconf-server": {"listen": {
        **listen, "endpoints": {"endpoint": list(endpoints)}}}}


def tcp(*binds, keepalives=None):
    result = {"local-bind": [{"local-address": address, **({"local-port": port} if port else {})}
                             for address, port in binds]}
    if keepalives:
        result["keepalives"] = keepalives
    return result


def host_keys(*names):
    return {"server-identity": {"host-key": [
        {"name": f"k{i}", "public-key": {"central-keystore-reference": name}}
        for i, name in enumerate(names)]}}


def ssh_endpoint(name, *binds, keys=("host",), identity=None, client=None, transport=None):
    parameters = host_keys(*keys)
    parameters["server-identity"].update(identity or {})
    if client:
        parameters["client-authentication"] = client
    if transport:
        parameters["transport-params"] = transport
    return {"name": name, "ssh": {"tcp-server-parameters": tcp(*binds),
                                  "ssh-server-parameters": parameters}}


def tls_parameters(key="device", cert="c", ca="ca", ee=None, hello=None):
    clients = {}
    if ca:
        clients["ca-certs"] = {"central-truststore-reference": ca}
    if ee:
        clients["ee-certs"] = {"central-truststore-reference": ee}
    result = {"server-identity": {"certificate": {"central-keystore-reference": {
        "asymmetric-key": key, "certificate": cert}}}, "client-authentication": clients}
    if hello:
        result["hello-params"] = hello
    return result


def mappings(*entries):
    """(id, map-type, fingerprint or None[, name])."""
    result = []
    for number, kind, fingerprint, *name in entries:
        entry = {"id": number, "map-type": f"ietf-x509-cert-to-name:{kind}"}
        if fingerprint:
            entry["fingerprint"] = fingerprint
        if name:
            entry["name"] = name[0]
        result.append(entry)
    return {"client-identity-mappings": {"cert-to-name": result}}


def tls_endpoint(name, *binds, maps=((1, "common-name", None),), **options):
    return {"name": name, "tls": {
        "tcp-server-parameters": tcp(*binds),
        "tls-server-parameters": tls_parameters(**options),
        "netconf-server-parameters": mappings(*maps)}}


def tls_context(cert=None, key=None, version=None):
    """A client that takes any server; CERT is a path, KEY a pki.Key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    if cert:
        context.load_cert_chain(cert, key.path)
    return context


def tls_connect(net, port, context, host="127.0.0.1"):
    """A TLS connection, made."""
    return context.wrap_socket(net.connect(host, port), server_hostname="device")


def tls_session(net, port, cert=None, key=None, host="127.0.0.1", **options):
    stream = tls_connect(net, port, tls_context(cert, key), host)
    stream.settimeout(DEADLINE)
    return netconf.Session(stream, **options)


def host_key(net, port, host="127.0.0.1", kind=None):
    """What a server on PORT is known by; None when nobody listens."""
    options = ["-t", kind] if kind else []
    said = run("ip", "netns", "exec", net.name, "ssh-keyscan", "-T", "5", *options, "-p",
               str(port), host)
    lines = [line.split() for line in said.splitlines() if line and not line.startswith("#")]
    return lines[0][2] if lines else None


def certificate_of(net, port=443):
    try:
        with tls_connect(net, port, tls_context()) as stream:
            return stream.getpeercert(binary_form=True)
    except OSError:
        return None
