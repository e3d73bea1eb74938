"""What is answered to a target that asks who publishes; `test_push_authentication.py` of the wire asks FFmpeg, too."""

import pytest

from protocol.rtmp.authentication import AuthenticationRefused, RtmpUser, next_parameters

JOE = RtmpUser(name="joe", password="s3cret")
REJECT = "[ AccessManager.Reject ] : "


def answered(refusal: str, user: RtmpUser | None = JOE) -> str | None:
    return next_parameters(refusal, user, lambda size: b"\xab" * size)


def test_other_refusals_are_none_of_ours() -> None:
    assert answered("no such application") is None
    assert answered("no such application", None) is None


def test_the_first_refusal_is_answered_with_the_name() -> None:
    asked = f"{REJECT}[ code=403 need auth; authmod=adobe ] : "
    assert answered(asked) == "?authmod=adobe&user=joe"


@pytest.mark.parametrize(
    ("challenge", "answer"),
    [
        ("&challenge=c==", "&response=3/xyH+E0+B6wuX+ZEqFvPA=="),
        ("&challenge=c==&opaque=o=", "&response=lpDkHRbv9AX2xIEjZziGpA==&opaque=o="),
    ],
)
def test_the_second_with_a_proof_of_the_password(challenge: str, answer: str) -> None:
    told = answered(f"{REJECT}[ authmod=adobe ] : ?reason=needauth&user=joe&salt=s={challenge}")
    assert told == f"?authmod=adobe&user=joe&challenge=abababab{answer}"


def test_a_name_adds_no_parameters_of_its_own() -> None:
    user = RtmpUser(name="joe@example.com&response=x%=#?+ ö", password="s3cret")
    written = "joe@example.com%26response%3Dx%25%3D%23%3F%2B%20%C3%B6"
    assert answered(f"{REJECT}[ code=403 need auth; authmod=adobe ] : ", user) == f"?authmod=adobe&user={written}"
    told = answered(f"{REJECT}[ authmod=adobe ] : ?reason=needauth&salt=s&challenge=c", user)
    assert told is not None
    assert told.startswith(f"?authmod=adobe&user={written}&challenge=")


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ("[ authmod=adobe ] : ?reason=authfailed&opaque=x", "is wrong"),
        ("[ authmod=adobe ] : ?reason=nosuchuser", "does not know"),
        ("[ authmod=adobe ]", "is wrong"),
        ("[ code=403 need auth; authmod=llnw ]", "another way"),
    ],
)
def test_a_user_that_is_not_let_in_is_refused_without_a_secret(refusal: str, words: str) -> None:
    with pytest.raises(AuthenticationRefused, match=words):
        answered(REJECT + refusal)


def test_without_a_user_it_is_said_what_is_missing() -> None:
    with pytest.raises(AuthenticationRefused, match="wants a user"):
        answered(f"{REJECT}[ code=403 need auth; authmod=adobe ] : ", None)
