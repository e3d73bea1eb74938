"""The operator's command line over SSH."""

from attrs import frozen

from config.setting import setting
from config.values.addresses import Address, Port


# A table reads better than one argument per line.
# fmt: off
@frozen(kw_only=True, slots=False)
class OperatorSettings:
    """The operator's command line over SSH."""

    ssh_address: str | None = setting(
        "ssh.address", Address(), "127.0.0.1", "Where the command line listens for SSH, if ssh.port is set.",
        heading="The command line over SSH",
        live=False)
    ssh_port: int | None = setting(
        "ssh.port", Port(), "",
        "TCP port of SSH, for the users of wcs add user; WCS has 2001. 0: any free port. Empty: off. "
        "It opens when there is a user.",
        live=False)
# fmt: on
