"""What can be wrong about MQTT in a way that the user can mend."""

from asdstream.errors import AsdstreamError


class MqttError(AsdstreamError):
    """The broker cannot be reached, or not as configured."""
