"""`trivet status`: one screen of a running system."""
