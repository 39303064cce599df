"""Takes what a venue reports, has it recorded, and only then confirms it, so that it is not told again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, cast

from execore.model.failures import VenueError
from execore.model.reports import KINDS, UnreadableReport, VenueReport
from execore.model.requests import Input
from execore.runtime.clock import Clock
from execore.runtime.lanes import Lane
from execore.venues.protocol import Venue

_MAXIMUM_ROUNDS: Final = 10_000
"""A venue that answers every report with another report would keep the intake busy for ever."""

After = Callable[[bool], None]


class Intake:
    """The reports of one venue: one lot at a time, from taking it to confirming it.

    Args:
        clock: the time of what is no report, integer nanoseconds UTC.
        put: queues reports; the call given with them is made once they are recorded.
        on_error: told that the venue cannot say what it has to report, or has always more.

    Attributes:
        taken: how many reports were taken so far.
    """

    def __init__(
        self,
        venue: Venue,
        lane: Callable[[], Lane],
        *,
        clock: Clock,
        put: Callable[[Sequence[Input], Callable[[], None]], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self.taken = 0
        self._venue = venue
        self._lane = lane
        self._clock = clock
        self._put = put
        self._on_error = on_error
        self._is_busy = False
        self._is_stopped = False
        self._rounds = 0
        self._after: list[After] = []

    def stop(self) -> None:
        """Take nothing more; what was taken is confirmed once it is recorded."""
        self._is_stopped = True

    @contextmanager
    def errors_to(self, listener: Callable[[Exception], None]) -> Iterator[None]:
        """Tell ``listener`` what goes wrong meanwhile, in place of the alert."""
        before, self._on_error = self._on_error, listener
        try:
            yield
        finally:
            self._on_error = before

    def pump(self, after: After | None = None) -> None:
        """Take what there is, until there is no more.

        Args:
            after: called when all that the venue has now is recorded and confirmed, with True; or with False,
                when it could not say what it has. A venue that always has more keeps nobody waiting: the next
                lot has all that was there.
        """
        if after is not None:
            self._after.append(after)
        if not self._is_busy and not self._is_stopped:
            self._is_busy = True
            self._rounds = 0
            self._take()

    def _take(self) -> None:
        self._lane().run(self._call, self._took)

    def _call(self) -> list[VenueReport] | Exception:
        try:
            return [self._readable(report) for report in self._venue.take_reports() or ()]
        except Exception as error:  # a foreign client may raise anything
            return error

    def _readable(self, report: object) -> VenueReport:
        """The report; if an adapter handed over something else, one that keeps what that is."""
        if type(report) in KINDS:
            return cast("VenueReport", report)
        reason = f"the adapter handed over an object of type {type(report).__name__}, which is no report"
        return UnreadableReport(ts_ns=self._clock(), reason=reason, raw=_shown(report))

    def _took(self, reports: list[VenueReport] | Exception) -> None:
        after, self._after = self._after, []  # lanes keep order: what they were told before was there
        if not isinstance(reports, Exception) and reports:
            self._rounds += 1
            if self._rounds <= _MAXIMUM_ROUNDS:
                self.taken += len(reports)
                self._put(reports, partial(self._recorded, after))
                return
            reports = VenueError(f"the venue reported {_MAXIMUM_ROUNDS} times, and has not ended")
        self._is_busy = False
        if isinstance(reports, Exception):
            self._on_error(reports)
        for each in after:
            each(not isinstance(reports, Exception))

    def _recorded(self, after: list[After]) -> None:
        self._lane().run(self._confirm, lambda _: self._confirmed(after))

    def _confirmed(self, after: list[After]) -> None:
        if not self._is_stopped:
            for each in after:
                each(True)
            self._take()

    def _confirm(self) -> None:
        try:
            self._venue.confirm_reports()
        except Exception as error:  # then it tells them again, and they are known
            self._on_error(error)


def _shown(thing: object) -> str:
    try:
        return repr(thing)
    except Exception as error:  # it is somebody else's
        return f"it cannot be shown: {type(error).__name__}"
