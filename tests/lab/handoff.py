"""baton with cards that guests can have: the scene, and what has to hold after a handoff."""
import cards
from broker import Broker
from cards import CardLines, InnerQmp
from seat import CONFIG, RUNTIME, USER, Guest, Seat, SeatScene
from testcard import guests_thaw


def lent_guest(name, slot, wishes):
    """A guest that may have cards: wishes are the lines of its section [cards]."""
    return Guest(name, slot, sections="[cards]\n" + wishes)


class LentSeat(Seat):
    """An installation whose guests can have these cards (`lent`); `lines` tells what guests say about them."""

    def __init__(self, pc, guests, options, lent):
        super().__init__(pc, guests, options)
        self.lent = lent
        self.broker = Broker(pc)
        self.lines = {}

    def install(self, settings=""):
        super().install(settings)
        self.pc.run("install -d -o {u} -g {u} {c}/cards".format(u=USER, c=CONFIG))
        for card in self.lent:
            self.pc.channel.put("%s/cards/%s.ini" % (CONFIG, card.name), card.ini().encode(), user=USER)
        self.broker.install([card.slot for card in self.lent])
        return self

    def wait_guests(self, seconds=400):
        super().wait_guests(seconds)
        self.lines = {name: CardLines(card) for name, card in self.cards.items()}
        return self

    def qmp(self, name):
        """The guest's QEMU, on the socket that is for its user's tools."""
        return InnerQmp(self.pc, "%s/baton/%s/qmp-user.sock" % (RUNTIME, name))

    def qemu_pid(self, name):
        """The guest's QEMU without asking baton."""
        return int(self.pc.run("pgrep -f -- '-name [^ ]*%s[ ,]'" % name).out.split()[0])

    def snapshot(self):
        return cards.snapshot(self.pc, self.lent)


class LentScene(SeatScene):
    """
    Guests that may have cards, all up. seat=False: the guests alone, with neither baton nor broker, in the
    same kept state.
    """

    def __init__(self, name, guests, lent, seat=True, **keys):
        super().__init__(name, guests, **keys)
        self.lent = lent
        self.seat = seat

    def key(self, pc):
        return super().key(pc) + "".join(card.ini() for card in self.lent)

    def make(self, pc):
        return LentSeat(pc, self.guests, self.options, self.lent).install(self.settings)

    def take_up(self, pc):
        guests_thaw(pc)
        seat = self.make(pc)
        if self.seat:
            seat.broker.start()
            seat.start().wait_control()
        return seat.wait_guests()
