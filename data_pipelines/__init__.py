# Copyright 2026 The rdrl Authors. Apache-2.0.
"""One pipeline per source of recordings, run offline, all to one format."""
