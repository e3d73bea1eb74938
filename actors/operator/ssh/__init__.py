"""The command line over SSH: `helper` is a process of its own on asyncio, which `service` starts and watches."""
