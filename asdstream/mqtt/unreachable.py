"""Why no connection to the broker comes about, in a sentence for people."""

import socket
import ssl

from asdstream.mqtt.broker import Broker

_EXPIRED, _NOT_YET_VALID = 10, 9
_OTHER_NAME = (62, 64)
"""Host name and IP address, as OpenSSL numbers what is wrong with a certificate (x509_vfy.h)."""
_OTHER_AUTHORITY = (18, 19, 20, 21)


def unreachable(error: Exception, broker: Broker, within_s: float) -> str:
    """What `error` says of `broker`, which was waited for so many seconds."""
    match error:
        case ssl.SSLCertVerificationError():
            reason = _distrust(error, broker)
            sentence = f"the certificate of the broker at {broker.address} is not trusted: {reason}"
        case ssl.SSLError() | ConnectionResetError() if broker.tls is not None:
            reason = (getattr(error, "reason", None) or str(error.strerror)).replace("_", " ").lower()
            sentence = f"no TLS with the broker at {broker.address}: {reason}; is that its port for TLS?"
        case socket.gaierror():
            sentence = f'the name of the broker, "{broker.host}", is not known: {error.strerror}'
        case UnicodeError():
            sentence = f'the name of the broker, "{broker.host}", is not known: no host can be called so'
        case ConnectionRefusedError():
            sentence = f"no broker listens at {broker.address}"
        case TimeoutError():
            sentence = f"no answer from {broker.address} within {within_s:.0f} s"
        case OSError(strerror=str(reason)):
            sentence = f"the broker at {broker.address} cannot be reached: {reason.lower()}"
        case _:
            sentence = f"the broker at {broker.address} cannot be reached: {error}"
    return sentence


def _distrust(error: ssl.SSLCertVerificationError, broker: Broker) -> str:
    if error.verify_code == _EXPIRED:
        return "it has expired"
    if error.verify_code == _NOT_YET_VALID:
        return "it is not valid yet; is the clock of this box right?"
    if error.verify_code in _OTHER_NAME:
        return f'it was made for another name than "{broker.host}"; mqtt.host should be a name that stands in it'
    if error.verify_code in _OTHER_AUTHORITY:
        return "no authority known here has signed it; mqtt.tls.ca_file should be the certificate of the one that did"
    return error.verify_message.lower().removesuffix(".")
