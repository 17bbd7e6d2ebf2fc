"""What tests, benches and the demo run the product with: real servers, agents and workers, each with an end.

places        where the repository and the build are; directories for sockets and segments, and for other users
waiting       waiting for a state, with a deadline
processes     starting and ending programs; the environment that they get
conversation  a program that answers each line with a line
redis_server, agent, worker, cachectl, stage: one program each;  node: all of them together
segment_image  (by its own name) the bytes of a segment directory
namespaces    (by its own name, it needs pytest) commands that see mounts of their own
"""

from harness.agent import Agent
from harness.cachectl import Cachectl
from harness.conversation import Conversation
from harness.node import INDEX, PREFIX, Node, running_node
from harness.places import AGENT, BUILD, PACKAGE, REPOSITORY, WORKSPACE, directory_for_everybody, short_directory
from harness.processes import clean_environment, end, start
from harness.redis_server import RedisServer, free_port
from harness.stage import Stage
from harness.waiting import PATIENCE_S, Failed, eventually, expect
from harness.worker import Worker, WorkerRaised

__all__ = ["AGENT", "BUILD", "INDEX", "PACKAGE", "PATIENCE_S", "PREFIX", "REPOSITORY", "WORKSPACE", "Agent", "Cachectl", "Conversation",
           "Failed", "Node", "RedisServer", "Stage", "Worker", "WorkerRaised", "clean_environment", "directory_for_everybody", "end",
           "eventually", "expect", "free_port", "running_node", "short_directory", "start"]
