"""Tries a mail server as Apprise would use it, without sending a message."""

import smtplib
import ssl
from typing import Any


def try_server(plugin: Any) -> str:
    """Connects, encrypts and logs in; what worked, in words. OSError or SMTPException."""
    from apprise.plugins.email.common import SecureMailMode

    context = ssl.create_default_context()
    if not plugin.verify_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    where, seconds = (plugin.smtp_host, plugin.port), plugin.socket_connect_timeout
    server: smtplib.SMTP
    if plugin.secure_mode == SecureMailMode.SSL:
        server = smtplib.SMTP_SSL(*where, timeout=seconds, context=context)
    else:
        server = smtplib.SMTP(*where, timeout=seconds)
    with server:
        if plugin.secure_mode == SecureMailMode.STARTTLS:
            server.starttls(context=context)
        if plugin.user and plugin.password:
            server.login(plugin.user, plugin.password)
            return f"the mail server {where[0]}:{where[1]} accepts the login"
        server.noop()
    return f"the mail server {where[0]}:{where[1]} answers"
