"""Who signed an action: the venue's own hash of it, EIP-712 around that, and the address behind the signature."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.errors import ConfigError, Refused

_SOURCES = ("a", "b")  # main network, test network: the local exchange plays either
_RECOVERY_IDS = (27, 28)
_ZERO_ADDRESS = "0x" + "0" * 40
_DOMAIN_TYPES = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_AGENT = [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]

# Actions that are signed field by field with the wallet itself: primary type and fields.
_CHAIN = ("hyperliquidChain", "string")
USER_SIGNED: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "approveAgent": ("ApproveAgent", (_CHAIN, ("agentAddress", "address"), ("agentName", "string"), ("nonce", "uint64"))),
    "approveBuilderFee": (
        "ApproveBuilderFee", (_CHAIN, ("maxFeeRate", "string"), ("builder", "address"), ("nonce", "uint64")),
    ),
    "usdSend": ("UsdSend", (_CHAIN, ("destination", "string"), ("amount", "string"), ("time", "uint64"))),
    "withdraw3": ("Withdraw", (_CHAIN, ("destination", "string"), ("amount", "string"), ("time", "uint64"))),
}  # fmt: skip


class Unrecoverable(Refused):
    """A signature from which no address can be recovered."""


def action_hash(action: object, nonce: int, vault: str | None, expires_after: int | None) -> bytes:
    """Return the venue's hash of an action: MessagePack in the order received, nonce, vault, expiry."""
    data = msgspec.msgpack.encode(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
    if expires_after is not None:
        data += b"\x00" + expires_after.to_bytes(8, "big")
    return _keccak(data)


def action_signers(hash_: bytes, signature: dict[str, Any]) -> tuple[str, ...]:
    """Return the lower-case addresses that may have signed: one for each network.

    Errors
    ------
    Unrecoverable
        If the signature is none.
    """
    domain = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": _ZERO_ADDRESS}
    types = {"Agent": _AGENT, "EIP712Domain": _DOMAIN_TYPES}
    base = {"domain": domain, "types": types, "primaryType": "Agent"}
    return tuple(_recover(base | {"message": {"source": source, "connectionId": hash_}}, signature) for source in _SOURCES)


def user_signer(action: dict[str, Any], signature: dict[str, Any]) -> str:
    """Return the lower-case address that signed one of :data:`USER_SIGNED`.

    Errors
    ------
    Unrecoverable
        If fields are missing or the signature is none.
    """
    name, fields = USER_SIGNED[action["type"]]
    primary = f"HyperliquidTransaction:{name}"
    try:
        chain_id = int(action["signatureChainId"], 16)
        message = {field: action.get(field) or "" if kind == "string" else action[field] for field, kind in fields}
    except (KeyError, ValueError, TypeError):
        raise Unrecoverable("action: a field is missing") from None
    domain = {"name": "HyperliquidSignTransaction", "version": "1", "chainId": chain_id, "verifyingContract": _ZERO_ADDRESS}
    types = {primary: [{"name": field, "type": kind} for field, kind in fields], "EIP712Domain": _DOMAIN_TYPES}
    return _recover({"domain": domain, "types": types, "primaryType": primary, "message": message}, signature)


def require_library() -> None:
    """Check that signatures can be verified here.

    Errors
    ------
    ConfigError
        If the optional library is not installed.
    """
    try:
        import eth_account  # noqa: F401 - only whether it is there
    except ImportError:
        raise ConfigError("accounts: Hyperliquid signatures need eth-account; pip install 'trader[hyperliquid]'") from None


def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return bytes(keccak(data))


def _recover(typed: dict[str, Any], signature: dict[str, Any]) -> str:
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    try:
        vrs = (int(signature["v"]), int(str(signature["r"]), 16), int(str(signature["s"]), 16))
        if vrs[0] not in _RECOVERY_IDS:
            raise Unrecoverable("signature: v was no recovery id")
        signable = encode_typed_data(full_message=typed)
        return str(Account.recover_message(signable, vrs=vrs)).lower()
    except (KeyError, ValueError, TypeError, OverflowError, BadSignature, ValidationError):
        raise Unrecoverable("signature: cannot be recovered") from None
