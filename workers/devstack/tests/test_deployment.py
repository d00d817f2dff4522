"""Procfile, compose.yaml, Dockerfile and the locks say the same things."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.devstack.plan import PROJECT, STATE, read_settings
from workers.devstack.procfile import read_procfile

PROCESSES = read_procfile(PROJECT / "Procfile")
SERVICES: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
PINS = re.compile(r"^([\w.-]+==[^ ;\\]+)", re.MULTILINE)


def pins(lock: str) -> set[str]:
    return set(PINS.findall((PROJECT / lock).read_text()))


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_has_one_command_in_procfile_and_compose(name: str) -> None:
    assert tuple(shlex.split(SERVICES[name]["command"])) == PROCESSES[name]


def test_compose_adds_only_servers_and_what_runs_once() -> None:
    assert SERVICES.keys() - PROCESSES.keys() == {"postgres", "valkey", "migrate", "seed"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_only_for_services_that_there_are(name: str) -> None:
    assert set(SERVICES[name].get("depends_on", ())) <= SERVICES.keys()


def test_compose_sets_only_known_settings() -> None:
    known = read_settings(PROJECT / ".env.sample", {})

    assert SERVICES["web"]["environment"].keys() <= known.keys()


def test_the_image_runs_the_web_process_as_an_ordinary_user() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text()
    production = dockerfile[dockerfile.index("AS production") :]

    assert tuple(json.loads(production.split("CMD ")[1])) == PROCESSES["web"]
    assert re.findall(r"^USER (\w+)", dockerfile, re.MULTILINE)[-1] == "guzo"


def test_all_processes_share_one_folder_of_counts_that_the_image_lets_them_write() -> None:
    counting = [SERVICES[name] for name in PROCESSES if name != "chapa"]
    folders = {each["environment"]["PROMETHEUS_MULTIPROC_DIR"] for each in counting}
    (folder,) = folders

    assert all(each["volumes"] == [f"metrics:{folder}"] for each in counting)
    assert f"--owner guzo {folder}\n" in (PROJECT / "Dockerfile").read_text()


def test_the_local_chapas_memory_is_a_volume_that_its_image_lets_it_write() -> None:
    chapa = SERVICES["chapa"]
    folder = str(Path(chapa["environment"][STATE]).parent)

    assert chapa["volumes"] == [f"chapa:{folder}"]
    assert f"--owner guzo {folder}\n" in (PROJECT / "Dockerfile").read_text()


def test_the_image_never_takes_local_secrets_or_data() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()

    assert {".env", ".git", ".local", ".venv"} <= set(ignored)


def test_each_lock_contains_the_smaller_one() -> None:
    assert pins("requirements.txt")
    assert pins("requirements.txt") < pins("requirements-local.txt") < pins("requirements-dev.txt")


@pytest.mark.parametrize("text", ["no colon", "web:", "web: a\nweb: b"])
def test_a_malformed_procfile_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text(text)

    with pytest.raises(ValueError, match="expected a new"):
        read_procfile(tmp_path / "Procfile")
