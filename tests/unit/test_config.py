"""ckkit.toml: what it says, what it must not say, and how it is rewritten."""

from datetime import timedelta

import pytest

from ckkit.config import Workspace, add_check, duration, remove_check, show_duration
from ckkit.errors import ConfigError, Invalid, NotFound

GOOD = """\
# our fleet
[hub]
port = 8701   # beside another one

[[nodes]]
name = "web0"
address = "10.0.0.1"
tags = ["web"]

[[checks]]
node = "web0"
type = "http"
instance = "homepage"
url = "http://10.0.0.1/"
every = "30s"

[addresses.oncall]
url_env = "ONCALL_URL"

[[routes]]
to = ["oncall"]
"""


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "ckkit.toml").write_text(GOOD)
    return Workspace(tmp_path)


def test_a_file_is_read_into_records(workspace):
    config = workspace.load()
    assert (config.hub.port, config.hub.every) == (8701, timedelta(seconds=10))
    assert config.nodes[0].tags == ("web",)
    (check,) = config.checks
    assert (check.type, check.every, check.params, check.line) == ("http", "30s", {"url": "http://10.0.0.1/"}, 10)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("port = 8701", "prot = 8701", r"ckkit\.toml:3: there is no key 'prot': did you mean 'port'\?"),
        ("port = 8701", 'port = "x"', r"ckkit\.toml:3: `port`: Expected `int`, got `str`"),
        ("port = 8701", "port = 99999", r":3: `port`: Expected `int` <= 65535"),
        ('every = "30s"', 'every = "30 parsecs"', r":15: `every`: cannot read '30 parsecs' as a duration"),
        ('every = "30s"', 'every = "0s"', r":15: `every`: '0s' is not longer than nothing"),
        ('tags = ["web"]', 'tag = ["web"]', r":8: there is no key 'tag': did you mean 'tags'\?"),
        ('name = "web0"', 'name = "web 0"', r":6: `name`: Expected `str` matching regex"),
        ('node = "web0"\n', "", r":10: a check needs either `node`"),
        ('to = ["oncall"]', 'to = ["nobody"]', r":21: there is no address 'nobody': there are oncall"),
        ('url_env = "ONCALL_URL"', "", r":17: address 'oncall' needs one of"),
        ("[addresses.oncall]", "[addreses.oncall]", r":17: there is no key 'addreses': did you mean 'addresses'"),
        ("[hub]", "[hub", r":2: not TOML"),
    ],
)
def test_an_error_names_file_line_and_the_nearest_word(workspace, old, new, said):
    workspace.toml.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=said) as error:
        workspace.load()
    assert error.value.details["file"].endswith("ckkit.toml")


def test_a_check_is_added_and_removed_and_comments_stay(workspace):
    check = {"node": "web0", "type": "tcp", "instance": "ssh", "port": 22}
    add_check(workspace, check)
    text = workspace.toml.read_text()
    assert "# beside another one" in text
    assert workspace.load().checks[1].params == {"port": 22}
    with pytest.raises(Invalid, match="has this check already"):
        add_check(workspace, check)
    remove_check(workspace, node="web0", type="tcp", instance="ssh")
    assert workspace.toml.read_text().strip() == GOOD.strip()
    with pytest.raises(NotFound, match="has no check 'tcp'"):
        remove_check(workspace, node="web0", type="tcp", instance="ssh")


def test_a_change_that_would_spoil_the_file_leaves_it(workspace):
    with pytest.raises(ConfigError, match="parsecs"):
        add_check(workspace, {"node": "web0", "type": "tcp", "instance": "a", "every": "3 parsecs"})
    assert workspace.toml.read_text() == GOOD


def test_the_nearest_folder_with_a_ckkit_toml_is_the_workspace(workspace, tmp_path):
    below = tmp_path / "notebooks" / "deep"
    below.mkdir(parents=True)
    assert Workspace.find({}, below).path == tmp_path
    assert Workspace.find({"CKKIT_WORKSPACE": str(tmp_path)}, below).path == tmp_path
    with pytest.raises(ConfigError, match="ckkit init"):
        Workspace.find({"CKKIT_WORKSPACE": str(below)})


def test_an_address_keeps_its_url_out_of_its_text(workspace, tmp_path):
    written = workspace.load().addresses["oncall"]
    address = written.resolve("oncall", tmp_path, {"ONCALL_URL": "mailto://me:s3cret@example.org"})
    assert address.url.endswith("example.org")
    assert "s3cret" not in repr(address)
    assert "ONCALL_URL" not in repr(written)
    with pytest.raises(ConfigError, match="environment variable ONCALL_URL is empty"):
        written.resolve("oncall", tmp_path, {})


@pytest.mark.parametrize("text", ["10s", "1h 30m", "250ms", "2d", "1d 1h 1m 1s"])
def test_a_duration_reads_back_as_written(text):
    assert show_duration(duration(text)) == text


@pytest.mark.parametrize("text", ["", "10", "s", "10s x", "-5s", "ten"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(Invalid, match="as a duration"):
        duration(text)


def test_a_file_that_is_nested_beyond_reason_is_refused(workspace):
    workspace.toml.write_text("x = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        workspace.load()


def test_a_duration_that_is_longer_than_time_is_refused():
    with pytest.raises(Invalid, match="longer than time"):
        duration("99999999999999999d")
