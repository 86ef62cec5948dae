"""Options that several commands take."""

from __future__ import annotations

import click

set_option = click.option("--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="Change one config value.")
plugin_option = click.option("-p", "switches", multiple=True, metavar="[no:]NAME", help="Enable or disable a plugin.")
