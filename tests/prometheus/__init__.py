"""The dashboard and the alert rules, tried with a real Prometheus."""
