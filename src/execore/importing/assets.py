"""Which assets are money, and where a pair's name ends for what is bought and begins for what is paid."""

from collections.abc import Iterable
from typing import Final

from execore.importing.refused import Refused


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIAT: Final = _words(
    "AED ARS AUD BGN BRL CAD CHF CLP CNH CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR ISK JPY KRW KZT MXN MYR "
    "NGN NOK NZD PEN PHP PLN RON RUB SAR SEK SGD THB TRY TWD UAH UGX USD VND ZAR"
)
STABLE: Final = _words(
    "AEUR BFUSD BIDR BKRW BUSD BVND DAI EURC EURI EURQ EURR EURT FDUSD GYEN IDRT PAX PYUSD RLUSD TUSD USD1 "
    "USDC USDD USDE USDG USDP USDQ USDR USDS USDT USTC VAI XUSD"
)
COIN_QUOTES: Final = _words("BNB BTC DOGE DOT ETH PAXG SOL TRX XBT XMR XRP")


def is_money(asset: str) -> bool:
    """Whether an asset is cash in a book. Of any other, units that come in need to say what they cost."""
    return asset in FIAT or asset in STABLE


def split_pair(pair: str, quotes: Iterable[str]) -> tuple[str, str]:
    """The pair in its two assets, by which of ``quotes`` it ends with.

    Raises:
        Refused: it ends with none of them, or with several.
    """
    found = [(pair.removesuffix(quote), quote) for quote in quotes if pair.endswith(quote) and pair != quote]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused(
            "unknown_instrument",
            f"which part of {pair:.40} is the currency paid is not known",
            "Define it in a JSON Lines file given before",
        )
    readings = " or ".join("/".join(reading) for reading in found)
    raise Refused(
        "ambiguous_pair", f"{pair} may be {readings}", "Define it in a JSON Lines file given before"
    )
