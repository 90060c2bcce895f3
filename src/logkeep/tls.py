"""Servers behind TLS: files of the settings looked at before they are used, and what to do when a server refuses us.

Every client has words of its own for a certificate it does not trust; what helps is the same, so it is said here.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from logkeep.errors import InputError

if TYPE_CHECKING:
    import ssl

# In the words of OpenSSL, libpq, librdkafka and nginx, lower case.
_OTHER_NAME = ("hostname mismatch", "ip address mismatch", "does not match host name", "is not valid for")
_NOT_TRUSTED = ("certificate verify failed", "certificate_verify_failed", "certificate could not be verified")
_OURS_WANTED = (
    "certificate required", "certificate_required", "no required ssl certificate", "unknown ca", "unknown_ca",
    "requires a valid client certificate", "peer did not return a certificate", "alert bad certificate",
    "eof occurred in violation of protocol",
)  # fmt: skip
_NO_TLS = ("wrong version number", "wrong_version_number", "server does not support ssl", "doesn't support it")


class TlsFiles(msgspec.Struct, frozen=True):
    """PEM files of one section of the settings. ca_file "": the system's authorities; certificate_file "": none."""

    section: str
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    @classmethod
    def of(cls, section: str, settings: Any) -> "TlsFiles":
        return cls(section, settings.ca_file, settings.certificate_file, settings.key_file)

    @property
    def any(self) -> bool:
        return bool(self.ca_file or self.certificate_file or self.key_file)

    def check(self, *, tls: bool, how: str) -> None:
        """Raises InputError: a file cannot be used, or none would be, as no TLS is spoken; `how` says how to."""
        if not self.any:
            return
        if not tls:
            raise InputError(f"{self.section} names files for TLS, and none is spoken: {how}")
        self.context()

    def context(self) -> "ssl.SSLContext":
        """Certificates and names are checked. Raises InputError that names setting and file."""
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ValueError) as error:  # SSLError among them
            raise self._unusable("ca_file", self.ca_file, error) from None
        if bool(self.certificate_file) != bool(self.key_file):
            raise InputError(f"{self.section}.certificate_file and {self.section}.key_file: set both or neither")
        if self.certificate_file:
            try:
                context.load_cert_chain(self.certificate_file, self.key_file, password=lambda: "")
            except (OSError, ValueError) as error:
                files = f"{self.certificate_file}, key_file {self.key_file}"
                raise self._unusable("certificate_file", files, error) from None
        return context

    def _unusable(self, setting: str, value: str, error: Exception) -> InputError:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        return InputError(f"{self.section}.{setting} {value} cannot be used: {reason}; it is a PEM file")


def advice(error: object, section: str, *, address: str = "url", authority: str = "", own: str = "") -> str:
    """`error` of a connection and, where it is about certificates or TLS, what to do.

    address: the setting's name. authority, own: where files of an authority and of a certificate of ours are named,
    where those are not settings of the section.
    """
    text = str(error)
    authority = authority or f"{section}.ca_file"
    own = own or f"{section}.certificate_file and {section}.key_file"
    low = text.lower()
    for words, todo in (
        (_OTHER_NAME, f"write the name that its certificate was made for into {section}.{address}"),
        (_NOT_TRUSTED, f"name the authority that signed its certificate in {authority}"),
        (_OURS_WANTED, f"it asks for a certificate it trusts: {own}"),
        (_NO_TLS, f"one of the two speaks no TLS: see {section}.{address}"),
    ):
        if any(each in low for each in words):
            return f"{text}; {todo}"
    return text


def redis_options(files: TlsFiles, url: str) -> dict[str, str]:
    """What redis-py wants of them."""
    files.check(tls=url.startswith("rediss:"), how="begin the address with rediss://")
    options = {
        "ssl_ca_certs": files.ca_file,
        "ssl_certfile": files.certificate_file,
        "ssl_keyfile": files.key_file,
    }
    return {name: path for name, path in options.items() if path}
