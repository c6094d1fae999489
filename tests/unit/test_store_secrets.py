"""What is hidden before it can be read by SQL, and what is not."""

import pytest

from ckkit.store.secrets import HIDDEN, redacted

HELD = [
    ({"password": "hunter2"}, {"password": HIDDEN}),
    ({"db_passwd": "hunter2"}, {"db_passwd": HIDDEN}),
    ({"API-Key": "k", "apikey": "k", "api_key": "k"}, {"API-Key": HIDDEN, "apikey": HIDDEN, "api_key": HIDDEN}),
    ({"headers": {"Authorization": "Bearer abcdef123"}}, {"headers": {"Authorization": HIDDEN}}),
    ({"headers": {"Cookie": "session=1"}}, {"headers": {"Cookie": HIDDEN}}),
    ({"tokens": ["a", "b"]}, {"tokens": HIDDEN}),
    ({"secret": {"user": "u", "pass": "p"}}, {"secret": HIDDEN}),
    ({"token": 4711}, {"token": HIDDEN}),
    ("http://user:pass@host:80/path", f"http://{HIDDEN}@host:80/path"),
    ("https://token@host/", f"https://{HIDDEN}@host/"),
    ("a http://a:b@x and ftp://c:d@y", f"a http://{HIDDEN}@x and ftp://{HIDDEN}@y"),
    ("http://x/?token=abc&page=2", f"http://x/?token={HIDDEN}&page=2"),
    ("http://x/?a=1&access_token=abc#top", f"http://x/?a=1&access_token={HIDDEN}#top"),
    ("http://x/?key=abc", f"http://x/?key={HIDDEN}"),
    ("http://x/?X-Amz-Signature=abc&X=1", f"http://x/?X-Amz-Signature={HIDDEN}&X=1"),
    (["Authorization: Basic dXNlcjpwYXNz"], [f"Authorization: {HIDDEN}"]),
    (["X-Api-Key: abc", "Accept: */*"], [f"X-Api-Key: {HIDDEN}", "Accept: */*"]),
    ("curl -H 'authorization:bearer abc'", f"curl -H 'authorization:{HIDDEN}"),
    ("sent Bearer eyJhbGciOi.J9", f"sent Bearer {HIDDEN}"),
]
SHOWN = [
    {"password_env": "DB_PASSWORD", "token_file": "/run/token"},
    {"url": "http://example.com/path?page=2&monkey=3", "port": 80, "follow": True, "body": None, "password": ""},
    {"user": "me", "expect": "basic page", "keyboard": "de", "author": "x"},
    "mail to a@b.example about basic auth",
    "http://x/@handle/?q=a@b",
    ["one", 2, None, 3.5],
]


@pytest.mark.parametrize(("given", "shown"), HELD, ids=lambda value: str(value)[:40])
def test_secrets_are_hidden(given, shown):
    assert redacted(given) == shown


@pytest.mark.parametrize("given", SHOWN, ids=lambda value: str(value)[:40])
def test_what_is_no_secret_stays(given):
    assert redacted(given) == given


@pytest.mark.parametrize("given", [given for given, _ in HELD], ids=lambda value: str(value)[:40])
def test_hiding_twice_is_hiding_once(given):
    assert redacted(redacted(given)) == redacted(given)
