"""One run: the plan is played, then everything is left to settle, then the checker looks."""

from collections.abc import Callable
from typing import Final

import msgspec

from execore.journal.protocol import EMPTY_HEAD, Head
from execore.model.errors import ChainBroken, InvalidInput, InvariantViolation, JournalError, NotAJournal
from execore.model.failures import VenueError
from execore.testing.simulation.checker import check, orders_of
from execore.testing.simulation.connection import Connection, Gateway
from execore.testing.simulation.desk import Desk
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.in_flight import InFlight, in_flight
from execore.testing.simulation.life import BOOK, Life
from execore.testing.simulation.market import Market
from execore.testing.simulation.plan import SEAMS, Plan, Step, make_plan
from execore.testing.simulation.sqlite_storage import SqliteStorage
from execore.testing.simulation.storage import Storage
from execore.testing.simulation.world import (
    MILLISECOND_NS,
    SECOND_NS,
    Crash,
    Faults,
    Log,
    Process,
    VirtualTime,
)

_MOST_DEATHS: Final = 60
"""So many attempts to open in a row are no bad luck: something makes opening impossible."""

_SETTLING_ROUNDS: Final = 8


class Death(msgspec.Struct, frozen=True):
    """A crash: where, and what was in flight."""

    at: str
    in_flight: list[InFlight]


class Outcome(msgspec.Struct, frozen=True):
    """What came of a run.

    Attributes:
        problems: what must not be, each beginning with its code; none if all is well.
        injected: how often each kind of fault happened.
        endings: the state in which each order ended.
        head: the journal's last record: its hash is of all that was recorded.
        lines: the story, if it was asked for.
    """

    seed: int
    problems: list[str]
    injected: dict[str, int]
    deaths: list[Death]
    endings: dict[str, str]
    head: Head
    lines: list[str]


class _Stop(Exception):
    """The run cannot go on; why is among the problems."""


class Run:
    """Plays one plan."""

    def __init__(self, plan: Plan, *, tracing: bool = False) -> None:
        self.plan = plan
        profile = plan.profile
        self.dice = Dice(plan.seed).stream("run")
        self.time = VirtualTime()
        self.log = Log(self.time, tracing=tracing)
        self.faults = Faults()
        self.storage = self._new_storage()
        self.gateway = Gateway(profile, self.dice, self.time, self.log, self.faults, self.storage)
        self.market = Market(self.gateway.exchange, self.log)
        self.desk = Desk(self.time, self.log)
        self.deaths: list[Death] = []
        self._skew_ns = 0
        self._lives = 0
        self._process = Process(0, self.log)
        self._life: Life | None = None
        self._stalled: Life | None = None
        self._told = EMPTY_HEAD

    def play(self) -> Outcome:
        """Play the plan, let everything settle, and check."""
        endings: dict[str, str] = {}
        try:
            for step in self.plan.steps:
                self._take(step)
            life = self._settle()
            for problem in check(self.plan.profile, self.gateway, self.storage, life):
                self.log.object(*problem)
            found = orders_of(self.storage, life)
            endings = {name: str(order.state) for name, order in found.items()}
        except _Stop:
            pass
        head = self._last_head()
        self.storage.close()
        return Outcome(
            self.plan.seed,
            self.log.problems,
            self.log.injected,
            self.deaths,
            endings,
            head,
            self.log.lines or [],
        )

    def _last_head(self) -> Head:
        try:
            return self.storage.medium.head(BOOK)
        except JournalError:  # that is among the problems already
            return EMPTY_HEAD

    # --- steps ----------------------------------------------------------------------------------------

    def _take(self, step: Step) -> None:
        dice = self.dice.stream("step", step.number)
        self.log.say("step", "{}: {}", step.number, step.verb)
        self.time.let_pass(dice.below(300) * MILLISECOND_NS)
        if self._life is not None:
            self._guard(Life.run_timers)
        _VERBS[step.verb](self, step, dice)
        if self.log.problems:
            raise _Stop

    def _trade(self, step: Step, dice: Dice) -> None:
        self.market.trade(dice)

    def _surprise(self, step: Step, dice: Dice) -> None:
        self.market.surprise(dice)

    def _fault(self, step: Step, dice: Dice) -> None:
        seam, names, crossings = dice.weighted(SEAMS)
        name = dice.pick(names)
        after = dice.between(1, crossings)
        self.log.say("fault", "at crossing {} of {}: {}", after, seam, name)
        self.faults.arm(seam, name, after)

    def _crash(self, step: Step, dice: Dice) -> None:
        self._guard(lambda life: life.process.crash("between calls"))

    def _wait(self, step: Step, dice: Dice) -> None:
        self.time.let_pass(dice.pick((1, 3, 12, 40)) * SECOND_NS)
        if dice.percent(50):
            self.gateway.connect()
        self._guard(Life.pump)

    def _disconnect(self, step: Step, dice: Dice) -> None:
        self.log.count("disconnected")
        self.gateway.drop()

    def _connect(self, step: Step, dice: Dice) -> None:
        self.gateway.connect()

    def _restart_venue(self, step: Step, dice: Dice) -> None:
        self.log.count("venue restarted")
        self.gateway.drop()
        self.gateway.exchange.restart(new_session=dice.percent(50))

    def _clock_jumps(self, step: Step, dice: Dice) -> None:
        most_ms = self.plan.profile.skew_ms
        if most_ms:
            self.log.count("clock jumped")
            self._skew_ns = dice.between(-most_ms, most_ms) * MILLISECOND_NS

    def _stall(self, step: Step, dice: Dice) -> None:
        """The process hangs, and another one takes over."""
        if self._stalled is None and self._life is not None and self.storage.allows_two_processes:
            self.log.count("process stalled, another one took over")
            self._stalled, self._life = self._life, None
            self.gateway.drop()
            self._open()

    def _wake(self, step: Step, dice: Dice) -> None:
        """The process that hung goes on, as if nothing had happened."""
        stalled, self._stalled = self._stalled, None
        if stalled is None:
            return
        self.log.say("we", "process {} goes on", stalled.process.number)
        try:
            self.desk.submit(stalled, step, dice)
        except (Crash, JournalError, VenueError, InvalidInput) as error:
            self.log.say("we", "process {} is stopped: {}", stalled.process.number, type(error).__name__)
        stalled.process.end()

    def _act(self, verb: Callable[[Desk, Life, Step, Dice], None], step: Step, dice: Dice) -> None:
        self._guard(lambda life: verb(self.desk, life, step, dice))

    # --- lives ----------------------------------------------------------------------------------------

    def _guard(self, action: Callable[[Life], object]) -> None:
        """Do something with the living process, which may die of it; then there is another one."""
        if self._life is None:
            self._open()
        life = self._life
        assert life is not None
        try:
            action(life)
            self._told = life.head
            life.let_go()
            return
        except Crash:
            self._die(life.process)
        except InvariantViolation as error:
            self._give_up(error)
        except JournalError as error:
            self.log.say("we", "the book closed itself: {}", error)
            self._end(life)
        except (VenueError, InvalidInput) as error:
            self.log.say("we", "are told {}: {}", type(error).__name__, error)
            return
        except Exception as error:
            self._give_up(error)
        self._life = None
        self._open()

    def _end(self, life: Life) -> None:
        """End a process in an orderly way; it may die of that."""
        try:
            life.close()
        except Crash:
            self._die(life.process)
        self.gateway.drop()

    def _open(self) -> None:
        """Start a process that opens the book; again, if it dies of that."""
        for _ in range(_MOST_DEATHS):
            self._lives += 1
            self._process = Process(self._lives, self.log)
            if not self.dice.stream("unreachable", self._lives).percent(15) or self.gateway.is_calm:
                self.gateway.connect()
            self.log.say("we", "process {} opens the book", self._lives)
            try:
                self._life = self._new_life(self._process)
                self._check_told()
                return
            except Crash:
                self._die(self._process)
            except (ChainBroken, NotAJournal, InvariantViolation) as error:
                self._give_up(error)
            except JournalError as error:
                self.log.say("we", "could not open the book: {}", error)
                self._process.end()
                self.gateway.drop()
            except Exception as error:
                self._give_up(error)
        self.log.object("never_opens", f"{_MOST_DEATHS} processes died while they opened the book")
        raise _Stop

    def _check_told(self) -> None:
        """What somebody was told before must still be in the journal."""
        told = self._told
        stored = next(self.storage.medium.read(BOOK, told.sequence), None)
        if told.sequence and (stored is None or stored.hash != told.hash):
            self.log.object("told_is_lost", f"record {told.sequence} was told of, and is not there any more")

    def _new_storage(self) -> Storage:
        if self.plan.profile.on_sqlite:
            return SqliteStorage(self.faults, self.log, self.dice.stream("disk"))
        return Storage(self.faults, self.log)

    def _new_life(self, process: Process) -> Life:
        return Life(
            process,
            self.storage,
            Connection(self.gateway, process, lambda asking: asking is self._process),
            profile=self.plan.profile,
            time=self.time,
            skew_ns=lambda: self._skew_ns,
            dice=self.dice,
            log=self.log,
        )

    def _die(self, process: Process) -> None:
        self.deaths.append(Death(process.died_at, in_flight(self.gateway)))
        self.log.say("we", "process {} died, {}", process.number, process.died_at)
        dice = self.dice.stream("dies", process.number)
        self.storage.die(keeps_unsynced=dice.percent(self.plan.profile.keeps_unsynced))
        self.gateway.drop()

    def _give_up(self, error: Exception) -> None:
        trace, place = error.__traceback__, ""
        while trace is not None:
            place, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
        where = place.partition("/execore/")[2]
        self.log.object("unexpected_error", f"{type(error).__name__} at {where}: {error}")
        raise _Stop from error

    # --- the end --------------------------------------------------------------------------------------

    def _settle(self) -> Life:
        """Nothing goes wrong any more: time passes, the book is opened once more, and all is asked."""
        self.log.say("step", "calm")
        self.faults.clear()
        self.gateway.calm()
        if self._stalled is not None:
            self._stalled.process.end()
        self._guard(Life.pump)
        self._rounds(2)
        self.gateway.drop()
        if self._life is not None:
            self._end(self._life)
        self._open()
        self._rounds(_SETTLING_ROUNDS)
        if self._life is None:
            raise _Stop
        return self._life

    def _rounds(self, count: int) -> None:
        for _ in range(count):
            head = self.storage.medium.head(BOOK)
            self.time.let_pass(90 * SECOND_NS)
            self._guard(Life.pass_time)
            self._guard(Life.ask_everything)
            if self.log.problems:
                raise _Stop
            if self.storage.medium.head(BOOK) == head:
                return


_VERBS: Final[dict[str, Callable[[Run, Step, Dice], None]]] = {
    "submit": lambda run, step, dice: run._act(Desk.submit, step, dice),
    "submit again": lambda run, step, dice: run._act(Desk.submit_again, step, dice),
    "cancel": lambda run, step, dice: run._act(Desk.cancel, step, dice),
    "amend": lambda run, step, dice: run._act(Desk.amend, step, dice),
    "cancel all": lambda run, step, dice: run._act(Desk.cancel_all, step, dice),
    "group": lambda run, step, dice: run._act(Desk.submit_group, step, dice),
    "close order": lambda run, step, dice: run._act(Desk.close_order, step, dice),
    "pump": lambda run, step, dice: run._guard(Life.pump),
    "pass time": lambda run, step, dice: run._guard(Life.pass_time),
    "ask everything": lambda run, step, dice: run._guard(Life.ask_everything),
    "snapshot": lambda run, step, dice: run._guard(Life.take_snapshot),
    "burst": lambda run, step, dice: run._act(Desk.submit_many, step, dice),
    "wait": Run._wait,
    "trade": Run._trade,
    "surprise": Run._surprise,
    "fault": Run._fault,
    "crash": Run._crash,
    "disconnect": Run._disconnect,
    "connect": Run._connect,
    "restart venue": Run._restart_venue,
    "stall": Run._stall,
    "wake": Run._wake,
    "clock jumps": Run._clock_jumps,
}


def simulate(seed: int, *, tracing: bool = False) -> Outcome:
    """Play the run that a seed stands for."""
    return Run(make_plan(seed), tracing=tracing).play()
