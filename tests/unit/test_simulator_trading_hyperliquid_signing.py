"""The published vectors: the hash of an action and the address behind its signature."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from eth_account import Account

from trader.simulator.hyperliquid_trading.nonces import Nonces
from trader.simulator.hyperliquid_trading.signing import Unrecoverable, action_hash, action_signers, user_signer

FIRST = "0x14791697260e4c9a71f18484c9f997b308e59325"
THIRD = "0xcd49bbac6e85fdeb167eb7ca41a945d2b8758f6f"
STAMP, LATER, VAULT = 1690393044548, 1677777606040, "0x" + "11" * 20
MAIN_R, MAIN_S = (
    "0xd65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
    "0x2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
)
TEST_R, TEST_S = (
    "0x82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54",
    "0x6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5",
)


def order(asset: int, price: str, size: str, tif: str = "Gtc") -> dict[str, Any]:
    limit = {"limit": {"tif": tif}}
    return {"type": "order", "orders": [{"a": asset, "b": True, "p": price, "s": size, "r": False, "t": limit}], "grouping": "na"}


BTC_ORDER, ETH_ORDER = order(1, "1800", "0.02"), order(4, "1670.1", "0.0147", "Ioc")


def test_the_bytes_of_an_action() -> None:
    expected = (
        "83a474797065a56f72646572a66f72646572739186a16101a162c3a170a3313030a173a3313030a172c2a17481a56c696d697481a3746966a3"
        "477463a867726f7570696e67a26e61"
    )
    assert msgspec.msgpack.encode(order(1, "100", "100")).hex() == expected


@pytest.mark.parametrize(
    ("action", "nonce", "vault", "expires", "expected"),
    [
        (order(1, "100", "100"), 0, None, None, "884f2c32bb6dbdd65f6033e32fb28c0cb6f5b345db0f6471fd3366d85c9252c1"),
        (ETH_ORDER, LATER, None, None, "0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908"),
        (BTC_ORDER, STAMP, None, None, "b8ed9e5a4ea7b2aebdb09fd794221c2599487f6dc8d3bf8f38656ab295f36120"),
        (BTC_ORDER, STAMP, VAULT, None, "ee688c57c69ab3bbaca9558745de6547882319128b50e147b2a28860d7dbd898"),
        (BTC_ORDER, STAMP, None, STAMP + 10_000, "a1c69297efed7de68d79f6fae30d4f4a38652dff1ed17cedeba816728733b9ed"),
    ],
)  # fmt: skip
def test_published_hashes(action: object, nonce: int, vault: str | None, expires: int | None, expected: str) -> None:
    assert action_hash(action, nonce, vault, expires).hex() == expected


@pytest.mark.parametrize(("r", "s", "v", "place"), [(MAIN_R, MAIN_S, 28, 0), (TEST_R, TEST_S, 27, 1)])
def test_published_signatures_of_both_networks(r: str, s: str, v: int, place: int) -> None:
    hash_ = action_hash(order(1, "100", "100"), 0, None, None)
    assert action_signers(hash_, {"r": r, "s": s, "v": v})[place] == FIRST


def test_a_third_published_signature_and_a_changed_action() -> None:
    r, s = (
        "0x380b70e9e76181609c7d9f2ece74cf7717a0254f9d751137ffaedff685e81cc7",
        "0x27c1e43069db58d728e996b91112aff57a24f3d9221635adc053f20aa4283ad8",
    )
    signature = {"r": r, "s": s, "v": 27}
    assert action_signers(action_hash(order(1, "1800", "0.02"), 1690393044548, None, None), signature)[0] == THIRD
    changed = action_signers(action_hash(order(1, "1800.0", "0.02"), 1690393044548, None, None), signature)
    assert THIRD not in changed


@pytest.mark.parametrize(
    "signature", [{}, {"r": "x", "s": "0x1", "v": 27}, {"r": "0x0", "s": "0x0", "v": 27}, {"r": "0x1", "s": "0x1", "v": 99}]
)
def test_what_is_no_signature_says_so(signature: dict[str, Any]) -> None:
    with pytest.raises(Unrecoverable):
        action_signers(bytes(32), signature)


def test_a_wallet_signs_field_by_field() -> None:
    from eth_account.messages import encode_typed_data

    wallet = Account.from_key("0x" + "11" * 32)
    action = {
        "type": "approveBuilderFee", "hyperliquidChain": "Testnet", "signatureChainId": "0x66eee", "maxFeeRate": "0.001%",
        "builder": "0x" + "22" * 20, "nonce": 5,
    }  # fmt: skip
    fields = [("hyperliquidChain", "string"), ("maxFeeRate", "string"), ("builder", "address"), ("nonce", "uint64")]
    domain = {"name": "HyperliquidSignTransaction", "version": "1", "chainId": 0x66EEE, "verifyingContract": "0x" + "0" * 40}
    types = {"HyperliquidTransaction:ApproveBuilderFee": [{"name": name, "type": kind} for name, kind in fields]}
    signed = wallet.sign_message(encode_typed_data(domain, types, {name: action[name] for name, _ in fields}))
    assert user_signer(action, {"r": hex(signed.r), "s": hex(signed.s), "v": signed.v}) == wallet.address.lower()


def test_nonces_are_used_once_and_never_fall_far_behind() -> None:
    nonces, now = Nonces(), 1_700_000_000_000
    assert nonces.refuse("s", now, now) == ""
    assert nonces.refuse("s", now, now) == f"Invalid nonce: duplicate nonce {now}"
    assert nonces.refuse("other", now, now) == ""
    assert nonces.refuse("s", now - 1, now) == ""  # out of order is fine while it is among the highest
    for step in range(1, 101):
        assert nonces.refuse("s", now + step, now) == ""
    assert "too low" in nonces.refuse("s", now - 2, now)
    assert nonces.refuse("t", now - 3 * 86_400_000, now) != ""
    assert nonces.refuse("t", now + 2 * 86_400_000, now) != ""
