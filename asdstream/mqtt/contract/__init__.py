"""The MQTT contract as documents for those who speak it: what goes over which topic, and in what form."""
