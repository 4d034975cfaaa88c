"""Every error this system raises on purpose, and what each one means for the caller.

::

    TradingError                 retry?  halts trading?  exit code
    ├── UsageError               no      no              2   the command was called with words it cannot take
    ├── NotRunning               yes     no              3   no live trader (or other owner) behind a segment
    ├── ConfigError              no      at start        4   a setting is wrong; nothing was changed
    │   └── OutOfRange           no      no              4   one value outside its bounds, named with both
    ├── Timeout                  yes     no              5   somebody did not answer in time
    ├── RiskHalt                 no      yes             6   the trader refuses new risk until a human acts
    ├── SharedMemoryError        no      at start        1   a segment is missing, foreign, full or damaged
    │   ├── LayoutMismatch       no      at start        1   the segment was made by another version
    │   └── TornRead             yes     no              1   a writer was too fast for every try
    ├── FeedError                yes     blocks entries  1   a venue sent something that cannot be used
    │   └── BookGap              yes     blocks entries  1   a depth update is missing; resynchronise this symbol
    ├── JournalError             no      yes             1   the input log cannot be trusted or written
    ├── AdvisorError             yes     no              1   the model failed; the tuner holds
    └── Refused                  no      no              1   the local exchange says no; its protocols find the venue's words

Wording: ``field: was VALUE, expected WHAT`` and, where there is one, the next thing to do. No secret ever enters a message.
"""

from __future__ import annotations

from typing import ClassVar


class TradingError(Exception):
    """Root of the tree. Never raised itself."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    halts_trading: ClassVar[bool] = False


class UsageError(TradingError):
    """A command line that cannot be carried out as written."""

    exit_code = 2


class NotRunning(TradingError):
    """The process that must answer is not there."""

    exit_code = 3
    retryable = True


class ConfigError(TradingError):
    """A setting, file or environment variable is wrong."""

    exit_code = 4


class OutOfRange(ConfigError):
    """A value outside its bounds.

    Parameters
    ----------
    field
        Name of the value, with its unit in the name.
    was
        The value that was offered.
    expected
        What would have been accepted, in words.
    """

    def __init__(self, field: str, was: object, expected: str) -> None:
        super().__init__(f"{field}: was {was}, expected {expected}")
        self.field = field
        self.was = was
        self.expected = expected


class Timeout(TradingError):
    """An answer did not come within its deadline."""

    exit_code = 5
    retryable = True


class RiskHalt(TradingError):
    """New risk is refused until a human acts."""

    exit_code = 6
    halts_trading = True


class SharedMemoryError(TradingError):
    """A segment cannot be made, found or trusted."""

    halts_trading = True


class LayoutMismatch(SharedMemoryError):
    """A segment was written by a program with another layout."""


class TornRead(SharedMemoryError):
    """No consistent copy could be taken within the allowed tries."""

    retryable = True
    halts_trading = False


class FeedError(TradingError):
    """A venue frame or answer that cannot be used."""

    retryable = True


class BookGap(FeedError):
    """The chain of depth updates broke."""


class JournalError(TradingError):
    """The input log is damaged, full or cannot be written."""

    halts_trading = True


class AdvisorError(TradingError):
    """An advisor gave no usable answer."""

    retryable = True


class Refused(TradingError):
    """The local exchange does not do what a client asks; never leaves the simulator."""
