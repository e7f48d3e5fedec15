"""The Better Auth protocol: its clients find here what they find at the original."""
