"""A broker that answers until it is told to hang: the other end of proto/broker.h, without root and without a card."""
import os
import socket
import struct
import threading

REQUEST = struct.Struct("=IIHBBIQ24s64s64sII")
HEAD = struct.Struct("=IIHBBi256s")
FUNCTION = struct.Struct("=B3xIHH32s32s48s")
FACTS = struct.Struct("=IiiI")
SIZE = 1448
VERBS = ("", "hello", "list", "record", "holders", "drain", "undrain", "detach", "sanitize", "lend", "take-back",
         "return", "unload")
DONE, CARD = 1, 2
PRESENT, VIABLE, DRAINED, CLEAN, LENT, HAD_HOST = 1, 2, 8, 16, 32, 256


class HangingBroker:
    """Has one card of one function. Runs in threads of its own, which end with the program."""

    def __init__(self, path, slot=(0, 1, 0)):
        self.path = path
        self.slot = slot
        self.listener = None
        self.home()
        self.listen()

    def home(self):
        """The card is with the host, and everything is answered."""
        self.flags, self.driver = PRESENT | VIABLE | HAD_HOST, b"gpudrv"
        self.silent = None  # the verb of which no request is answered, and nothing after it is read
        self.hung = self.listed = False

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(4)
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def restart(self):
        """Hangs up, and is there again, with the card at home."""
        os.unlink(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.home()
        self.listen()

    def serve(self, listener):
        clients = []
        try:
            while True:
                client, _ = listener.accept()
                clients.append(client)
                threading.Thread(target=self.speak, args=(client,), daemon=True).start()
        except OSError:
            for client in clients:
                client.close()

    def speak(self, client):
        try:
            while packet := client.recv(4096):
                self.answer(client, REQUEST.unpack(packet))
        except OSError:
            pass

    def answer(self, client, request):
        verb = VERBS[request[0]]
        if verb == self.silent:
            self.hung = True
            threading.Event().wait()
        self.carry_out(verb)
        if verb not in ("hello", "record"):
            client.send(self.message(CARD, request[1]))
        client.send(self.message(DONE, request[1]))
        self.listed |= verb == "list"

    def carry_out(self, verb):
        flags = {"drain": DRAINED, "sanitize": CLEAN, "lend": LENT}
        self.flags |= flags.get(verb, 0)
        if verb == "lend":
            self.flags &= ~CLEAN
        if verb == "detach":
            self.driver = b"vfio-pci"

    def message(self, kind, serial):
        facts = FACTS.pack(self.flags, 7, 0, 1) + FUNCTION.pack(0, 0x030000, 0x1af4, 0x1050, self.driver, b"", b"flr")
        head = HEAD.pack(kind, serial, *self.slot, 0, b"")
        return (head + (facts if kind == CARD else b"")).ljust(SIZE, b"\0")
