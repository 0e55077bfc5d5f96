"""Where results go: one file a system.

A sink takes batches of one kind of result (`what`): events, anomalies or windows. It writes whole lines, so that
what is there can be read at any time, and is closed in every case.
"""

from windrow.sinks.choose import LOCAL, open_sink
from windrow.sinks.lines import Sink

__all__ = ["LOCAL", "Sink", "open_sink"]
