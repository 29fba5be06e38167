"""Certificates for tests of TLS: made with the command `openssl`, good for 127.0.0.1 and localhost."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def why_missing() -> str | None:
    """What keeps tests from having certificates; None where nothing does."""
    return None if shutil.which("openssl") else "no certificates: install openssl"


def authority(directory: Path, name: str) -> Path:
    """The certificate of a new authority, NAME.pem; its key is beside it."""
    _openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    return directory / f"{name}.pem"


def server(directory: Path, authority: str, host: str) -> tuple[Path, Path]:
    """Certificate and key of a server of that host, signed by an authority."""
    _openssl(directory, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", f"{host}.key",
             "-out", f"{host}.csr")  # fmt: skip
    kind = "IP" if host[0].isdigit() else "DNS"
    (directory / "extensions").write_text(f"subjectAltName={kind}:{host}\n")
    _openssl(directory, "x509", "-req", "-in", f"{host}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
             "-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", f"{host}.pem")  # fmt: skip
    return directory / f"{host}.pem", directory / f"{host}.key"


def _openssl(directory: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)
