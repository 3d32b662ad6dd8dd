"""What is said when the registry is ready: plain lines, fit for a terminal, a pipe and a log."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from shub.remote_yaml import REMOTE, adding, can_be_added

# With all of them given, it asks nothing.
KEY_OPTIONS = "--email admin@example.org --comment '' --password '' --push=false"


@dataclass(frozen=True)
class Announcement:
    """What there is to say. `password` is None once the administrator has changed it."""

    public_url: str
    username: str
    password: str | None
    token: str
    entity: str
    data_dir: Path
    client_folder: Path

    def lines(self) -> list[str]:
        """The announcement, line by line."""
        password = (
            f"{self.password} (to be changed at the first sign-in)"
            if self.password
            else "the one that you have set"
        )
        return [
            "",
            "The registry is ready.",
            "",
            f"  Address        {self.public_url}",
            f"  Administrator  {self.username}",
            f"  Password       {password}",
            f"  Token          {self.token}",
            f"  Data and logs  {self.data_dir}",
            f"  Commands       {shlex.quote(str(self.data_dir / 'manage'))} help",
            "",
            "With Apptainer:",
            "",
            *self._commands("apptainer", "APPTAINER_CONFIGDIR"),
            "",
            "With SingularityCE:",
            "",
            *self._commands("singularity", "SINGULARITY_CONFIGDIR"),
            "",
            *self._older_clients(),
            "Ctrl-C stops the registry; what is in the data folder stays.",
        ]

    def _commands(self, program: str, variable: str) -> list[str]:
        image = f"library://{self.entity}/default/hello:1.0"
        return [
            f"  {line}"
            for line in (
                *self._remote(program, variable),
                f"{program} remote status",
                f"{program} key newpair --name {self.username} {KEY_OPTIONS}",
                f"{program} build image.sif docker://alpine  # or any other image",
                f"{program} sign image.sif",
                f"{program} push image.sif {image}",
                f"{program} pull hello.sif {image}",
            )
        ]

    def _remote(self, program: str, variable: str) -> list[str]:
        if not can_be_added(self.public_url):
            return [f"export {variable}={shlex.quote(str(self.client_folder))}"]
        return [
            *adding(program, self.public_url),
            f"echo {self.token} | {program} remote login {REMOTE}",
        ]

    def _older_clients(self) -> list[str]:
        if can_be_added(self.public_url):
            return []
        path = shlex.quote(str(self.client_folder / "remote.yaml"))
        return [
            "Apptainer before 1.2 and SingularityCE before 3.11.1 do not know the variables: copy",
            f"  {path}",
            "to ~/.apptainer/remote.yaml or ~/.singularity/remote.yaml. Apptainer before 1.1 and",
            "Singularity before 3.9 need https; docs/how-to/quickstart.md says more.",
            "",
        ]
