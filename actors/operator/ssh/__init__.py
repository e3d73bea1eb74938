"""The command line over SSH: `helper` is a separate process on asyncio, which `service` starts and watches."""
