"""Proving that a webhook comes from BigCommerce: the Standard Webhooks signature, or a secret header of ours.

The key of the signature is the client secret's raw bytes. (The vendor's examples encode it as base64 only because the
library that they use decodes it again.) Every malformed input is BadSignatureError, and all comparisons take the same
time.
Source: the vendor's page on securing webhooks; the Standard Webhooks specification.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from storeweave.model.errors import BadSignatureError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET_HEADER: Final = "x-storeweave-secret"  # noqa: S105  a header's name
TOLERANCE_S: Final = 300
MOST_ID_CHARS: Final = 256
MOST_SIGNATURES: Final = 16
_REFUSED: Final = "the webhook is not proven to come from BigCommerce"


def verify(
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    client_secret: str | None,
    hook_secret: str | None,
) -> None:
    """Raises BadSignatureError unless at least one configured proof is there and none that is there is wrong."""
    proofs = 0
    if client_secret and any(name in headers for name in (ID, TIMESTAMP, SIGNATURE)):
        _verify_signature(headers, body, now=now, key=client_secret.encode())
        proofs += 1
    given = headers.get(SECRET_HEADER)
    if hook_secret and given is not None:
        if not hmac.compare_digest(_bytes(given), _bytes(hook_secret)):
            raise BadSignatureError(_REFUSED)
        proofs += 1
    if not proofs:
        raise BadSignatureError(_REFUSED)


def _verify_signature(headers: Mapping[str, str], body: bytes, *, now: datetime, key: bytes) -> None:
    message_id, stamp, signatures = headers.get(ID), headers.get(TIMESTAMP), headers.get(SIGNATURE)
    if not message_id or not stamp or not signatures or len(message_id) > MOST_ID_CHARS:
        raise BadSignatureError(_REFUSED)
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadSignatureError(_REFUSED)
    expected = hmac.new(key, b".".join((_bytes(message_id), stamp.encode(), body)), hashlib.sha256).digest()
    matches = [hmac.compare_digest(expected, given) for given in _signatures(signatures)]
    if not any(matches):
        raise BadSignatureError(_REFUSED)
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_S:
        raise BadSignatureError(f"{_REFUSED}: its time is more than {TOLERANCE_S} s from ours")


def _signatures(header: str) -> Iterator[bytes]:
    """The signatures of version 1 in a header with several, separated by spaces. Malformed ones are no match."""
    for signature in header.split(" ")[:MOST_SIGNATURES]:
        version, _, text = signature.partition(",")
        if version != "v1" or not text.isascii():
            continue
        try:
            yield base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
