"""What becomes of the frames of an established client. `requests.py` takes each to the file of its subject.

`backend_requests` holds those that wait for the backend; `websdk_owner` and `page_calls` send back what streams and
calls report.
"""
