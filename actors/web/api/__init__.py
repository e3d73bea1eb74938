"""The routes: REST API, health, statistics, start page. In folders by what they are about.

    streams/      streams, and what begins or is made of one: captures, named sources, pushes, pictures, WHIP and WHEP
    recordings/   recordings, their groups and files
    calls/        calls by SIP
    clients/      connections, rooms, data for pages, bans
    server/       applications, health, metrics, events, the API's description
    console/      what the pages of the server show, and the player for other sites

What they share: `routes.py` declares one, `searches.py` is for those that find things, `coverage.py` says which nodes
took part in an answer, `idempotency.py` and `kicks.py` are for requests that end something, `shared_snapshots.py` is
for what many ask for again and again.
"""
