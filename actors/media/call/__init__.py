"""The media of calls: a page's end (`peer`), a phone's end (`leg`), and what joins them (`bridge`)."""
