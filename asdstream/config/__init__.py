"""What a user may set: a TOML file, checked as a whole before anything starts.

Every problem is reported with its line, the key, and what would be right. Paths are resolved against the folder of
the configuration file. Secrets never stand in the file: it names files that hold them, which are looked for in the
folder of systemd credentials first.
"""

from asdstream.config.alarms import AlarmsSection
from asdstream.config.channel import ChannelSection, CommissioningSection
from asdstream.config.connection import MqttSection, SiteSection, TlsSection
from asdstream.config.document import Config, DashboardConfig, json_schema, load, load_dashboard, parse
from asdstream.config.engine import EngineSection
from asdstream.config.errors import ConfigError
from asdstream.config.kept import ClipsSection, StoreSection
from asdstream.config.log import LogSection
from asdstream.config.served import MetricsSection, WebSection
from asdstream.config.sources import (
    FaultSettings,
    FileSettings,
    MicrophoneSettings,
    MqttSettings,
    SimulatorSettings,
    SourceSettings,
)

__all__ = [
    "AlarmsSection",
    "ChannelSection",
    "ClipsSection",
    "CommissioningSection",
    "Config",
    "ConfigError",
    "DashboardConfig",
    "EngineSection",
    "FaultSettings",
    "FileSettings",
    "LogSection",
    "MetricsSection",
    "MicrophoneSettings",
    "MqttSection",
    "MqttSettings",
    "SimulatorSettings",
    "SiteSection",
    "SourceSettings",
    "StoreSection",
    "TlsSection",
    "WebSection",
    "json_schema",
    "load",
    "load_dashboard",
    "parse",
]
