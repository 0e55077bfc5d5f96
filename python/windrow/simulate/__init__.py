"""Simulated input for both scenarios: seeded, documented, with the answer beside it.

Owns the two worlds that the demo, the tests and `windrow simulate` run on. The same seed gives the same bytes.
Refuses realism that nothing here would notice: there is no picture, no map and no physics beyond what the four
stages can tell apart.
"""

from windrow.simulate.fault import Fault
from windrow.simulate.motor import Motor, motor
from windrow.simulate.traffic import Traffic, traffic

__all__ = ["Fault", "Motor", "Traffic", "motor", "traffic"]
