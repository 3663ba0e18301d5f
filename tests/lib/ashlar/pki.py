"""Keys and certificates, made with openssl and ssh-keygen."""

import base64
import functools
import pathlib
import subprocess


def run(*command, data=None):
    result = subprocess.run([str(part) for part in command], input=data, capture_output=True)
    assert result.returncode == 0, f"{command}: {result.stderr.decode()}"
    return result.stdout


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text)


class Key:
    """A private key in a PEM file."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    @property
    def der(self):
        """RFC 8017 RSAPrivateKey or RFC 5915 ECPrivateKey."""
        return run("openssl", "pkey", "-in", self.path, "-traditional", "-outform", "DER")

    @property
    def pkcs8(self):
        return run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", self.path, "-outform", "DER")

    @property
    def spki(self):
        return run("openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER")

    @property
    def ssh(self):
        """The public half as SSH writes it."""
        pem = self.path.with_suffix(".pkcs8")
        pem.write_bytes(run("openssl", "pkey", "-in", self.path))
        pem.chmod(0o600)
        return unb64(run("ssh-keygen", "-y", "-f", pem).split()[1])


class Maker:
    """What it makes lies in DIRECTORY."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.count = 0

    def path(self, suffix):
        self.count += 1
        return self.directory / f"pki{self.count}{suffix}"

    def key(self, *options):
        path = self.path(".key")
        run("openssl", "genpkey", "-out", path, *options)
        path.chmod(0o600)
        return Key(path)

    def rsa(self, bits=2048):
        return self.key("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")

    def ec(self):
        return self.key("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")

    def ed25519(self):
        return self.key("-algorithm", "ED25519")

    def openssh(self, kind="ed25519"):
        """A key as OpenSSH writes it: (private bytes, public bytes)."""
        path = self.path(".ssh")
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path)
        body = "".join(path.read_text().splitlines()[1:-1])
        return unb64(body), unb64(path.with_suffix(".ssh.pub").read_text().split()[1])

    def certificate(self, key, subject, issuer=None, san=None, ca=False, days=30, extra=()):
        """(path of PEM, DER); ISSUER is (key, path of its certificate)."""
        request, path, config = self.path(".csr"), self.path(".pem"), self.path(".cnf")
        lines = [f"basicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}", *extra]
        if san:
            lines.append(f"subjectAltName={san}")
        config.write_text("\n".join(lines) + "\n")
        run("openssl", "req", "-new", "-key", key.path, "-subj", subject, "-out", request)
        signer = ["-CA", issuer[1], "-CAkey", issuer[0].path, "-CAcreateserial"] if issuer \
            else ["-signkey", key.path]
        run("openssl", "x509", "-req", "-in", request, "-out", path, "-days", days, "-sha256",
            "-extfile", config, *signer)
        return path, run("openssl", "x509", "-in", path, "-outform", "DER")

    def certificate_until(self, key, subject, end):
        """DER of a certificate that KEY has signed itself and that ends at END, an aware datetime."""
        import datetime

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        private = serialization.load_pem_private_key(key.path.read_bytes(), None)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        builder = x509.CertificateBuilder(
            name, name, private.public_key(), x509.random_serial_number(),
            end - datetime.timedelta(days=365), end)
        return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def encrypted(self, data, key, cipher=None):
        """RFC 5652 EncryptedData of DATA, with AES-CBC by KEY."""
        return run("openssl", "cms", "-EncryptedData_encrypt", "-binary", "-outform", "DER",
                   f"-{cipher or f'aes-{8 * len(key)}-cbc'}", "-secretkey", key.hex(), data=data)

    def cms(self, *paths):
        """RFC 9640: a degenerate SignedData that carries certificates."""
        options = [part for path in paths for part in ("-certfile", path)]
        return run("openssl", "crl2pkcs7", "-nocrl", "-outform", "DER", *options)


@functools.lru_cache(None)
def fingerprint(der, algorithm="sha256"):
    """tls-fingerprint of RFC 7407: the number of the hash, then the hash."""
    import hashlib

    number = {"md5": 1, "sha1": 2, "sha224": 3, "sha256": 4, "sha384": 5, "sha512": 6}[algorithm]
    return ":".join(f"{byte:02x}" for byte in bytes([number]) +
                    hashlib.new(algorithm, der).digest())
