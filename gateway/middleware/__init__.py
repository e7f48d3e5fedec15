"""What is done around every HTTP request, one concern a file; `gateway/app.py` puts them in order."""
