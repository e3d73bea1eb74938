"""Digest answers: the vectors of RFC 7616 and RFC 2617, the choice among challenges, and when a password is wrong."""

import hashlib

import pytest
from attrs import evolve

from protocol.sip.messages.digest import (
    AcceptedRealms,
    Authenticator,
    CannotAuthenticate,
    SipCredentials,
    digest_response,
)
from protocol.sip.messages.headers import Challenge, parse_challenges
from protocol.sip.messages.message import HeaderFields

MUFASA = SipCredentials(username="Mufasa", password="Circle of Life")
URI = "/dir/index.html"


def challenges(*lines: str) -> list[Challenge]:
    return parse_challenges(HeaderFields(tuple(("WWW-Authenticate", line) for line in lines)), "WWW-Authenticate")


def challenge(**parameters: str) -> Challenge:
    return Challenge(scheme="digest", parameters=parameters)


def mufasa() -> SipCredentials:
    """His, which nobody has accepted yet."""
    return evolve(MUFASA, accepted=AcceptedRealms())


def authenticator(credentials: SipCredentials | None = None) -> Authenticator:
    return Authenticator(credentials or mufasa(), lambda: "cnonce")


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_vectors_of_rfc_7616(algorithm: str, response: str) -> None:
    asked = challenge(
        realm="http-auth@example.org",
        qop="auth, auth-int",
        algorithm=algorithm,
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    )
    found = digest_response(
        asked, MUFASA, "GET", URI, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", nonce_count="00000001"
    )
    assert found == response


def test_vector_of_rfc_2617() -> None:
    asked = challenge(realm="testrealm@host.com", qop="auth", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093")
    credentials = SipCredentials(username="Mufasa", password="Circle Of Life")
    found = digest_response(asked, credentials, "GET", URI, cnonce="0a4f113b", nonce_count="00000001")
    assert found == "6629fae49393a05397450978507c4ef1"


def test_without_qop_as_in_rfc_2069() -> None:
    asked = challenge(realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093")
    credentials = SipCredentials(username="Mufasa", password="CircleOfLife")
    found = digest_response(asked, credentials, "GET", URI, cnonce="", nonce_count="")
    assert found == "1949323746fe6a43ef61f9606e7febea"


def test_sha_512_256() -> None:
    def hashed(text: str) -> str:
        return hashlib.new("sha512_256", text.encode()).hexdigest()

    asked = challenge(realm="r", qop="auth", algorithm="SHA-512-256", nonce="n")
    found = digest_response(asked, MUFASA, "INVITE", "sip:b", cnonce="c", nonce_count="00000001")
    secret = hashed(f"{MUFASA.username}:r:{MUFASA.password}")
    assert found == hashed(f"{secret}:n:00000001:c:auth:{hashed('INVITE:sip:b')}")


def test_session_algorithms_and_auth_int_differ() -> None:
    found = {
        digest_response(challenge(realm="r", nonce="n", **more), MUFASA, "INVITE", "sip:b", cnonce="c", nonce_count="1")
        for more in ({"qop": "auth"}, {"qop": "auth-int"}, {"qop": "auth", "algorithm": "MD5-sess"}, {})
    }
    assert len(found) == 4


@pytest.mark.parametrize(
    ("lines", "algorithm"),
    [
        (['Digest realm="r", nonce="1"'], ""),
        (['Digest realm="r", nonce="1", algorithm=MD5', 'Digest realm="r", nonce="2", algorithm=SHA-256'], "SHA-256"),
        (['Digest realm="r", nonce="1", algorithm=SHA-256, Digest realm="r", nonce="2", algorithm=MD5'], "SHA-256"),
        (['Digest realm="r", nonce="1", algorithm=SHA-512-256', 'Digest realm="r", nonce="2"'], "SHA-512-256"),
        (['Digest realm="r", nonce="1", algorithm=AKAv1-MD5', 'Digest realm="r", nonce="2"'], ""),
        (['Basic realm="r"', 'Digest realm="r", nonce="1"'], ""),
    ],
)
def test_the_strongest_known_challenge_is_answered(lines: list[str], algorithm: str) -> None:
    auth = authenticator()
    auth.challenged(challenges(*lines), "Authorization")
    ((name, value),) = auth.headers("REGISTER", "sip:r", b"")
    assert name == "Authorization"
    assert (f"algorithm={algorithm}" in value) is bool(algorithm)


def test_oddities_of_real_servers() -> None:
    (found,) = challenges('DIGEST  realm="a, b",nonce="x=\\"y\\"" , qop="auth,auth-int",stale=FALSE')
    assert (found.get("realm"), found.get("nonce"), found.get("qop")) == ("a, b", 'x="y"', "auth,auth-int")


def test_a_nonce_is_counted() -> None:
    auth = authenticator()
    auth.challenged([challenge(realm="r", nonce="n", qop="auth")], "Authorization")
    counts = [auth.headers("REGISTER", "sip:r", b"")[0][1].partition("nc=")[2] for _ in range(3)]
    assert counts == ["00000001", "00000002", "00000003"]


def test_a_wrong_password_is_not_tried_again() -> None:
    auth = authenticator()
    auth.challenged([challenge(realm="r", nonce="1")], "Authorization")
    auth.headers("REGISTER", "sip:r", b"")
    with pytest.raises(CannotAuthenticate, match="does not accept the password"):
        auth.challenged([challenge(realm="r", nonce="2")], "Authorization", is_repeated=True)
    with pytest.raises(CannotAuthenticate, match="does not accept the password"):
        auth.challenged([challenge(realm="r", nonce="1")], "Authorization")


def test_a_stale_nonce_is_replaced() -> None:
    auth = authenticator()
    auth.challenged([challenge(realm="r", nonce="1")], "Authorization")
    auth.headers("REGISTER", "sip:r", b"")
    auth.challenged([challenge(realm="r", nonce="2", stale="TRUE")], "Authorization", is_repeated=True)
    assert 'nonce="2"' in auth.headers("REGISTER", "sip:r", b"")[0][1]


def test_after_a_success_another_realm_gets_nothing() -> None:
    auth = authenticator()
    auth.challenged([challenge(realm="mine", nonce="1")], "Authorization")
    auth.headers("REGISTER", "sip:r", b"")
    auth.accepted()
    with pytest.raises(CannotAuthenticate, match="another realm"):
        auth.challenged([challenge(realm="yours", nonce="2")], "Authorization")


def test_a_proxy_of_another_realm_than_the_registrar_may_ask_and_no_third_one() -> None:
    account = mufasa()
    registration, call, later = (authenticator(account) for _ in range(3))
    registration.challenged([challenge(realm="registrar", nonce="1")], "Authorization")
    registration.headers("REGISTER", "sip:r", b"")
    registration.accepted()
    call.challenged([challenge(realm="proxy", nonce="2")], "Proxy-Authorization")
    assert 'realm="proxy"' in call.headers("INVITE", "sip:b", b"")[0][1]
    call.accepted()
    for realm in ("proxy", "registrar"):
        later.challenged([challenge(realm=realm, nonce=realm)], "Proxy-Authorization")
    with pytest.raises(CannotAuthenticate, match="another realm"):
        later.challenged([challenge(realm="third", nonce="3")], "Proxy-Authorization")


def test_a_proxy_of_another_realm_that_has_not_accepted_may_still_be_another_one() -> None:
    account = mufasa()
    account.accepted.names.add("registrar")
    authenticator(account).challenged([challenge(realm="proxy", nonce="1")], "Proxy-Authorization")
    authenticator(account).challenged([challenge(realm="other", nonce="1")], "Proxy-Authorization")
    assert account.accepted.names == {"registrar"}
    for header, is_forwarded in (("Authorization", False), ("Proxy-Authorization", True)):
        with pytest.raises(CannotAuthenticate, match="another realm"):
            authenticator(account).challenged([challenge(realm="phone", nonce="1")], header, is_forwarded=is_forwarded)


def test_within_a_call_no_proxy_of_another_realm_gets_anything() -> None:
    account = mufasa()
    account.accepted.names.add("registrar")
    call = authenticator(account)
    call.settle()
    with pytest.raises(CannotAuthenticate, match="who has not done so"):
        call.challenged([challenge(realm="proxy", nonce="1")], "Proxy-Authorization")


def test_the_realm_that_has_accepted_a_registration_counts_for_calls_of_the_account_too() -> None:
    account = mufasa()
    registration, call = authenticator(account), authenticator(account)
    registration.challenged([challenge(realm="mine", nonce="1")], "Authorization")
    registration.headers("REGISTER", "sip:r", b"")
    registration.accepted()
    with pytest.raises(CannotAuthenticate, match="another realm"):
        call.challenged([challenge(realm="yours", nonce="2")], "Authorization")
    call.challenged([challenge(realm="mine", nonce="2")], "Proxy-Authorization")
    authenticator().challenged([challenge(realm="yours", nonce="2")], "Proxy-Authorization")  # of another account


def test_a_proxy_and_a_registrar_that_have_both_accepted_may_both_ask_again() -> None:
    account = mufasa()
    registration, call = authenticator(account), authenticator(account)
    registration.challenged([challenge(realm="proxy", nonce="1")], "Proxy-Authorization")
    registration.headers("REGISTER", "sip:r", b"")
    registration.challenged([challenge(realm="registrar", nonce="1")], "Authorization")
    registration.headers("REGISTER", "sip:r", b"")
    registration.accepted()
    for auth in (registration, call):
        auth.challenged([challenge(realm="proxy", nonce="2")], "Proxy-Authorization")
        assert 'realm="proxy"' in auth.headers("INVITE", "sip:r", b"")[0][1]
    with pytest.raises(CannotAuthenticate, match="another realm"):
        call.challenged([challenge(realm="phone", nonce="1")], "Authorization")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ([], "no challenge"),
        ([Challenge(scheme="basic")], "no challenge"),
        ([challenge(realm="r", nonce="n", algorithm="SHA3")], "no challenge"),
        ([challenge(realm="r", nonce="n", qop="auth-conf")], "no challenge"),
        ([challenge(realm="r")], "no challenge"),
    ],
)
def test_what_cannot_be_answered(asked: list[Challenge], why: str) -> None:
    with pytest.raises(CannotAuthenticate, match=why):
        authenticator().challenged(asked, "Authorization")


def test_without_a_password_nothing_is_answered() -> None:
    auth = Authenticator(None, lambda: "cnonce")
    with pytest.raises(CannotAuthenticate, match="none is given"):
        auth.challenged([challenge(realm="r", nonce="n")], "Authorization")
    assert auth.headers("REGISTER", "sip:r", b"") == []


def test_passwords_are_not_shown() -> None:
    assert "Circle" not in repr(MUFASA)
