# Copyright 2026 The rdrl Authors. Apache-2.0.
