"""The Facilitator as a running party reaches it: since when, and how far the two clocks are apart."""

from __future__ import annotations

from collections.abc import Iterator

from fedtrain.client.agent.tasks import TaskAgent
from fedtrain.client.http import ServiceClient
from fedtrain.service.health.finding import Finding, fail, ok, warn

WARN_CLOCK_S = 5.0
FAIL_CLOCK_S = 120.0


def check_reached(agent: TaskAgent | None, client: ServiceClient | None) -> Iterator[Finding]:
    """Find whether the Facilitator is reached, and since when; once it has answered, the difference of the clocks."""
    if agent is None or client is None:
        yield warn("facilitator", "the service is starting or stopping", "ask again in a moment")
        return
    minutes = agent.unchanged_s / 60
    if agent.connected:
        yield ok("facilitator", f"{client.base_url} is reached, for {minutes:,.0f} minutes now")
    else:
        yield fail(
            "facilitator",
            f"{client.base_url} has not been reached for {minutes:,.0f} minutes",
            "see whether it runs, and what `fedtrain doctor` finds on the way to it; work goes on once it is back",
        )
    if client.clocks_apart_s is not None:
        yield clocks_apart(client.clocks_apart_s)


def clocks_apart(seconds: float) -> Finding:
    """Return what there is to say of such a difference between this clock and the Facilitator's."""
    found = f"this clock and the Facilitator's differ by {seconds:,.0f} s"
    remedy = "run NTP on both: memberships, certificates and deadlines go by the clock"
    if seconds > FAIL_CLOCK_S:
        return fail("clock", found, remedy)
    return warn("clock", found, remedy) if seconds > WARN_CLOCK_S else ok("clock", found)
