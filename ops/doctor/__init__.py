"""`trivet doctor`: finds what is wrong with a system, and says how to mend it."""
