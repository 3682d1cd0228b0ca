"""A small VT100: what a terminal of 80 columns would show, for tests of screens.

Knows what the firmware sends: cursor movement, clearing, attributes. Lines beyond the last scroll.
"""
import re
import time

CSI = re.compile(r"\x1b\[([0-9;?]*)([@-~])")
PART = re.compile(r"\x1b(\[[0-9;?]*)?$")


class Screen:
    def __init__(self, columns=80, rows=25):
        self.columns, self.rows = columns, rows
        self.clear()
        self.row = self.column = 0
        self.reverse = False
        self.rest = ""  # the beginning of a sequence

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]
        self.reversed = [[False] * self.columns for _ in range(self.rows)]

    def resize(self, columns, rows):
        """As a terminal does it: what was there stays, cut or filled up."""
        old, old_reversed = self.cells, self.reversed
        self.columns, self.rows = columns, rows
        self.clear()
        for r in range(min(rows, len(old))):
            n = min(columns, len(old[r]))
            self.cells[r][:n] = old[r][:n]
            self.reversed[r][:n] = old_reversed[r][:n]
        self.row, self.column = min(self.row, rows - 1), min(self.column, columns - 1)

    def line_feed(self):
        if self.row < self.rows - 1:
            self.row += 1
            return
        self.cells = self.cells[1:] + [[" "] * self.columns]
        self.reversed = self.reversed[1:] + [[False] * self.columns]

    def put(self, c):
        if self.column == self.columns:
            self.column = 0
            self.line_feed()
        self.cells[self.row][self.column] = c
        self.reversed[self.row][self.column] = self.reverse
        self.column += 1

    def control(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.line_feed()
        elif c == "\b":
            self.column = max(0, min(self.column, self.columns - 1) - 1)

    def sequence(self, parameters, final):
        numbers = [int(x) if x.isdigit() else 0 for x in parameters.split(";")]
        if final == "H":
            row, column = (numbers + [0])[:2]
            self.row = min(max(row, 1), self.rows) - 1
            self.column = min(max(column, 1), self.columns) - 1
        elif final == "J" and numbers[0] == 2:
            self.clear()
        elif final == "K":
            for i in range(self.column, self.columns):
                self.cells[self.row][i] = " "
                self.reversed[self.row][i] = False
        elif final == "m":
            background = [n for n in numbers if 40 <= n <= 47]
            if background:
                self.reverse = background[-1] != 40
            elif 0 in numbers:
                self.reverse = False

    def feed(self, text):
        text = self.rest + text
        part = PART.search(text)
        self.rest = part.group() if part else ""
        text = text[:len(text) - len(self.rest)]
        at = 0
        while at < len(text):
            match = CSI.match(text, at)
            if match:
                self.sequence(match.group(1), match.group(2))
                at = match.end()
                continue
            if text[at] < " ":
                self.control(text[at])
            else:
                self.put(text[at])
            at += 1

    def line(self, row):
        return "".join(self.cells[row]).rstrip()

    def text(self):
        return "\n".join(self.line(r) for r in range(self.rows)).rstrip()

    def selected(self):
        """The text shown in reverse, or None."""
        for r in range(self.rows):
            if any(self.reversed[r]):
                return "".join(c for c, on in zip(self.cells[r], self.reversed[r]) if on).strip()
        return None


UP, DOWN, END, ESCAPE, ENTER = "\x1b[A", "\x1b[B", "\x1b[F", "\x1b", "\r"


class Menus:
    """What a user of the firmware's menus sees and does; g is a guest.Guest."""

    def __init__(self, g, rows=25):
        self.g, self.screen, self.fed = g, Screen(rows=rows), 0

    def update(self):
        self.screen.feed(self.g.text[self.fed:])
        self.fed = len(self.g.text)

    def wait(self, condition, what, seconds=60):
        """Until the condition holds for the screen; returns its value."""
        end = time.monotonic() + seconds
        while True:
            self.update()
            value = condition()
            if value:
                return value
            if time.monotonic() > end or not self.g.pump(max(0, end - time.monotonic())):
                self.g.fail("%s; the screen is\n%s\nselected: %s\n" %
                            (what, self.screen.text(), self.screen.selected()))

    def see(self, pattern, seconds=60):
        return self.wait(lambda: re.search(pattern, self.screen.text()),
                         "no %r on the screen" % pattern, seconds)

    def gone(self, pattern, seconds=60):
        self.wait(lambda: not re.search(pattern, self.screen.text()),
                  "still %r on the screen" % pattern, seconds)

    def send(self, keys):
        self.g.send(keys)

    def selected_row(self):
        for r in range(self.screen.rows):
            if any(self.screen.reversed[r]):
                return r
        return None

    def rows_with(self, text):
        return [r for r in range(4, self.screen.rows)
                if self.screen.line(r).strip().startswith(text)]

    def select(self, text, up=UP, down=DOWN):
        """Moves the selection, key by key, to the item that begins with the text."""
        self.wait(lambda: self.rows_with(text) and self.selected_row() is not None,
                  "no item %r" % text)
        while True:
            there, at = self.rows_with(text)[0], self.selected_row()
            if there == at:
                return
            self.send(down if there > at else up)
            self.wait(lambda: self.selected_row() not in (None, at), "the selection does not move")

    def choose(self, text, **keys):
        self.select(text, **keys)
        self.send(ENTER)

    def answer(self, prompt, text):
        self.see(re.escape(prompt))
        self.send(text + ENTER)
