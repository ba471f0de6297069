# Copyright 2026 The rdrl Authors. Apache-2.0.
"""Images, speed and route to a distribution over actions; critics; teachers."""

from rdrl.policy import network as network
from rdrl.policy import weights as weights
from rdrl.policy.network import Config as Config
from rdrl.policy.network import Network as Network
from rdrl.policy.policy import Output as Output
from rdrl.policy.policy import Policy as Policy
from rdrl.policy.policy import apply as apply
from rdrl.policy.policy import create as create
from rdrl.policy.policy import create_critic as create_critic
from rdrl.policy.policy import critic as critic
from rdrl.policy.policy import entropy as entropy
from rdrl.policy.policy import has_cameras as has_cameras
from rdrl.policy.policy import log_prob as log_prob
from rdrl.policy.policy import log_probs as log_probs
from rdrl.policy.policy import mode as mode
from rdrl.policy.policy import output as output
from rdrl.policy.policy import perceive as perceive
from rdrl.policy.policy import plan as plan
from rdrl.policy.policy import sample as sample
from rdrl.policy.state import StateConfig as StateConfig
