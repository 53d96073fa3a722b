"""A zoo over https, with real certificates: the one of the server must be known, and stay in use."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.errors import ZooError
from pipeline.zoo.installing import add_from_zoo, search
from pipeline.zoo.reading import open_zoo


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for localhost, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "server.pem").write_bytes(made.public_bytes(pem) + private)
    return tmp_path / "server.pem"


@pytest.fixture
def https(server, certificate: Path) -> str:
    """Let the server speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://localhost:{server.server_port}"


def test_a_model_comes_over_https(https: str, published, user: Path, certificate: Path, monkeypatch) -> None:
    files = published()
    with pytest.raises(ZooError, match=r"index\.json cannot be read \(.*certificate verify failed.*\)"):
        add_from_zoo("iphone-x", open_zoo(https))
    assert not user.exists()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    added = add_from_zoo("iphone-x", open_zoo(https))
    assert {path.name: path.read_bytes() for path in added.folder.iterdir()} == files


@pytest.mark.parametrize("target", ["http://localhost:1/index.json", "http://example.org/index.json"])
def test_a_redirect_away_from_https_is_refused(
    https: str, server, published, certificate: Path, monkeypatch, target: str
) -> None:
    """Protects: nobody on the way can replace a model; no server sends requests into one's own network."""
    published()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server.moved["/index.json"] = target
    with pytest.raises(ZooError, match=rf"is refused: it redirects to {target}, not https://"):
        search(open_zoo(https))
    server.moved["/index.json"] = f"{https}/moved/index.json"
    server.moved["/moved/index.json"] = f"{https}/index.json?again"
    assert [entry.name for entry in search(open_zoo(https))] == ["iphone-x"]
