"""The routes: REST API, health, statistics, start page."""
