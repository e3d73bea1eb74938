"""The settings, in groups: one class and one file for each heading of the settings file."""
