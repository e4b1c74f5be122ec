"""Errors, sorted by what the engine does next (semantics 3.2)."""

from __future__ import annotations


class StoreweaveError(Exception):
    """Base of every error that we raise on purpose.

    TransientError         the key stays dirty and the lane tries again
      RateLimitedError     ... no sooner than ``wait_s`` from now, and without counting an attempt
      NotSentError         ... the request never left us, so the other side did nothing
      UnknownOutcomeError  ... the request may have taken effect, now or a little later: look before repeating
    RefusedError           this key is parked with the reason; its neighbours go on
    LaneBlockedError       credentials, plan or scope: the connection pauses until a person acts
    LeaseLostError         somebody else owns the lane now: stop, and mark the batch again
    BadRequestError        a request from outside that we do not accept (door, API)
      BadSignatureError    ... because it is not proven to come from the vendor
    ConfigError            the flow does not start
    """

    def __init__(self, message: str, *, wait_s: float | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.code = code or type(self).__name__.removesuffix("Error").lower()


class TransientError(StoreweaveError):
    """May heal by itself: timeouts, resets, 5xx. Retried for ever with growing waits."""


class RateLimitedError(TransientError):
    """The vendor asks us to slow down; ``wait_s`` says for how long."""


class NotSentError(TransientError):
    """The request never left us (name look-up, connect, TLS)."""


class UnknownOutcomeError(TransientError):
    """The request left us and no trustworthy answer came back; it may still land."""


class RefusedError(StoreweaveError):
    """The other side, or our own rules, will not take this content as it is. ``code`` groups the causes."""


class LaneBlockedError(StoreweaveError):
    """The whole connection cannot go on until a person acts (401, 403, expired grant, other account)."""


class LeaseLostError(StoreweaveError):
    """Our lease on the lane ended or is about to; nothing more may be written under it."""


class BadRequestError(StoreweaveError):
    """A request from outside is malformed; the message names the field and the remedy."""


class BadSignatureError(BadRequestError):
    """A notice is not proven to come from its vendor. Every malformed signature is this one error."""


class ConfigError(StoreweaveError):
    """The configuration cannot work; the message names the path in the file and the remedy."""
