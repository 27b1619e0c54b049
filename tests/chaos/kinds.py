"""Every kind of fault that a run draws from."""

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.own_faults import DEATHS, ClockStepped

KINDS: tuple[type[Fault], ...] = (*FAULTS, ClockStepped, *DEATHS)
