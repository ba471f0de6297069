# Copyright 2026 The rdrl Authors. Apache-2.0.
"""The record of drives, the metrics over it, the page that shows them."""

from rdrl.report import above as above
from rdrl.report import content as content
from rdrl.report import page as page
from rdrl.report import plots as plots
from rdrl.report import top_view as top_view
from rdrl.report import videos as videos
from rdrl.report.evaluation import evaluate as evaluate
from rdrl.report.evaluation import film as film
from rdrl.report.evaluation import open_loop as open_loop
from rdrl.report.metrics import METRICS as METRICS
from rdrl.report.metrics import scores as scores
from rdrl.report.metrics import table as table
from rdrl.report.statistics import compare as compare
from rdrl.report.statistics import summary as summary
