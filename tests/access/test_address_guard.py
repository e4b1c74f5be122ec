"""We call public https addresses and what an operator listed, and nothing else (semantics 3.15)."""

import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.access.address_guard import AddressGuard, is_public, read_allowed
from storeweave.model.errors import ConfigError, NotSentError, RefusedError

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1::1"


class Names:
    """A small name service that counts its look-ups."""

    def __init__(self, **known: Sequence[str]) -> None:
        self.known = {name.replace("_", "."): list(addresses) for name, addresses in known.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError("no such name")
        return self.known[host]


def guard(*allowed: str, loopback: bool = False, **known: Sequence[str]) -> AddressGuard:
    return AddressGuard(Names(**known).resolve, allowed=allowed, allow_loopback=loopback)


async def test_a_public_https_address_is_admitted_with_all_its_addresses() -> None:
    target = await guard(api_shop=[PUBLIC, PUBLIC_V6]).admit("https://api.shop/v3/x?y=1")
    assert (target.scheme, target.host, target.port) == ("https", "api.shop", 443)
    assert target.addresses == (PUBLIC, PUBLIC_V6)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.8", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
        "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "fc00::1", "fd00::1",
        "fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "fe80::1%eth0",
    ],
)  # fmt: skip
async def test_a_name_that_leads_to_a_private_address_is_refused(address: str) -> None:
    with pytest.raises(RefusedError, match="not a public address") as caught:
        await guard(evil_example=[address]).admit("https://evil.example/")
    assert caught.value.code == "address-refused"
    assert "hub.allow_private_hosts" in str(caught.value)


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(RefusedError, match=r"10\.1\.1\.1"):
        await guard(evil_example=[PUBLIC, "10.1.1.1"]).admit("https://evil.example/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.shop/", "file:///etc/passwd", "gopher://api.shop/", "//api.shop/", "api.shop", "", "https://",
        "https://user:pw@api.shop/", "https://api.shop:99999/", "https://[::1", "https://api.shop%00.evil/",
        "https://a b/", "https://api.shop\\@evil/", "https://[fe80::1%25eth0]/",
    ],
)  # fmt: skip
async def test_what_is_not_a_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        await guard(api_shop=[PUBLIC]).admit(url)


@pytest.mark.parametrize(("url", "why"), [("http://api.shop/", "not https"), ("https://api.shop:8443/", "8443")])
async def test_plain_http_and_other_ports_need_the_allow_list(url: str, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        await guard(api_shop=[PUBLIC]).admit(url)
    assert (await guard("api.shop", api_shop=[PUBLIC]).admit(url)).host == "api.shop"


@pytest.mark.parametrize("entry", ["erp.lan", "erp.lan:8080", "10.1.0.0/16", "10.1.2.3", "10.1.2.3:8080"])
async def test_an_operator_may_list_a_private_target(entry: str) -> None:
    target = await guard(entry, erp_lan=["10.1.2.3"]).admit("http://ERP.lan:8080/items")
    assert target.addresses == ("10.1.2.3",)


@pytest.mark.parametrize("entry", ["erp.lan:8081", "other.lan", "10.2.0.0/16", "::1/128"])
async def test_a_listed_target_opens_only_itself(entry: str) -> None:
    with pytest.raises(RefusedError):
        await guard(entry, erp_lan=["10.1.2.3"]).admit("http://erp.lan:8080/items")


async def test_loopback_is_open_to_twins_only_when_asked_for() -> None:
    with pytest.raises(RefusedError):
        await guard().admit("http://127.0.0.1:8099/")
    assert (await guard(loopback=True).admit("http://127.0.0.1:8099/")).port == 8099
    assert (await guard(loopback=True).admit("http://[::1]:8099/")).addresses == ("::1",)
    with pytest.raises(RefusedError):
        await guard(loopback=True).admit("http://10.0.0.1:8099/")


async def test_numbers_written_in_odd_ways_are_resolved_and_judged_by_what_they_lead_to() -> None:
    with pytest.raises(RefusedError, match=r"127\.0\.0\.1"):
        await AddressGuard(Names(**{"2130706433": ["127.0.0.1"]}).resolve).admit("https://2130706433/")


async def test_a_name_is_looked_up_once_per_admission() -> None:
    names = Names(api_shop=[PUBLIC])
    await AddressGuard(names.resolve).admit("https://api.shop/")
    assert names.asked == ["api.shop"]


@pytest.mark.parametrize("known", [{}, {"api_shop": []}])
async def test_a_name_without_address_is_a_call_that_was_not_sent(known: dict[str, list[str]]) -> None:
    with pytest.raises(NotSentError) as caught:
        await AddressGuard(Names(**known).resolve).admit("https://api.shop/")
    assert caught.value.code == "name-look-up"


async def test_a_name_in_another_script_is_called_by_its_ascii_form() -> None:
    assert (await AddressGuard(Names(**{"xn--mnchen-3ya.example": [PUBLIC]}).resolve).admit(
        "https://münchen.example/"
    )).host == "xn--mnchen-3ya.example"  # fmt: skip


@pytest.mark.parametrize(
    "entry", ["", "erp.lan:0", "erp.lan:x", "erp.lan:70000", "http://erp.lan", "10.0.0.0/99", "*.lan"]
)
def test_an_entry_that_cannot_be_read_is_a_configuration_error(entry: str) -> None:
    with pytest.raises(ConfigError):
        read_allowed(entry)


def test_ipv6_entries_may_have_a_port_in_the_usual_form() -> None:
    assert read_allowed("[fd00::1]:8443").port == 8443
    assert read_allowed("fd00::/8").port is None


@given(st.ip_addresses())
def test_nothing_that_python_knows_as_special_is_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


@given(st.text())
async def test_no_url_brings_the_guard_down(url: str) -> None:
    with pytest.raises((RefusedError, NotSentError)):
        await AddressGuard(Names().resolve).admit(url)
