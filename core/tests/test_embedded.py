import stat
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from core.embedded import LONGEST_SOCKET_FOLDER, broker_url, database_url, runtime_folder


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short temporary directory of this test's own."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


LONG = Path("/", *["deep"] * 40)


def test_the_sockets_are_in_the_clone() -> None:
    assert runtime_folder(Path("/srv/guzo")) == Path("/srv/guzo/.local/run")


def test_both_addresses_lead_to_that_folder() -> None:
    project = Path("/srv/my guzo")

    host = unquote(urlsplit(database_url(project)).netloc.split("@")[1])
    assert host == "/srv/my guzo/.local/run:5432"
    assert unquote(urlsplit(broker_url(project, 3)).path) == "/srv/my guzo/.local/run/valkey.sock"
    assert broker_url(project, 3).endswith("?virtual_host=3")


def test_a_path_too_long_for_a_socket_gives_way_to_a_private_folder(temporary: Path) -> None:
    folder = runtime_folder(LONG)

    assert folder.parent == temporary
    assert len(str(folder)) <= LONGEST_SOCKET_FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert runtime_folder(LONG) == folder
    assert runtime_folder(LONG / "other") != folder


@pytest.mark.usefixtures("temporary")
def test_a_folder_that_others_can_enter_is_refused() -> None:
    runtime_folder(LONG).chmod(0o755)

    with pytest.raises(PermissionError, match="only this user"):
        runtime_folder(LONG)


def test_a_link_put_in_its_place_is_refused(temporary: Path) -> None:
    folder = runtime_folder(LONG)
    folder.rmdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)

    with pytest.raises(PermissionError):
        runtime_folder(LONG)
