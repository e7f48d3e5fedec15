"""The control characters that text from users cannot contain."""

import re

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""The control characters C0, DEL and C1, which terminals and browsers interpret."""
