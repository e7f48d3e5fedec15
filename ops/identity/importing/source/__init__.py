"""The database that users come from: its connection, column names, values, times and zones."""
