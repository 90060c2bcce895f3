"""Puts the built viewer into the wheel: hatchling calls this before it packs.

An editable installation takes what `make viewer` has built. A wheel made where neither that nor Node is there works
without the viewer, and whoever makes it is told.
"""

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INDEX = Path("src/logkeep/api/static/viewer/index.html")


class ViewerHook(BuildHookInterface[Any]):
    """Named in pyproject.toml."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        script = Path(self.root) / "scripts" / "build_viewer.sh"
        if script.exists():
            subprocess.run([str(script)], check=True)
        if not (Path(self.root) / INDEX).exists():
            self.app.display_warning("the viewer is not in this wheel: install Node 20.19 or newer, run `make viewer`")
