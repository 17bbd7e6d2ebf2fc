"""Somebody removes what lies in the segment directory while the agent runs: it comes back, and status says what is amiss."""

import shutil
import signal

import pytest
from harness import PATIENCE_S, Agent, clean_environment, eventually

SOURCE = "import shared.halopsa as m\nanswer = [m.VERSION, execution.source]"


@pytest.fixture
def served(node):
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent()
    return node


def follows(node, version):
    """Executions are fresh and from shared memory."""
    node.put("shared/halopsa.py", f"VERSION = {version}\n")
    eventually(lambda: node.run(SOURCE) == [version, "shm"], "workers use the mirror, freshly")


def second_agent(node):
    return Agent(node.directory, node.redis.url, node.segment_dir, environment=clean_environment())


def test_a_removed_control_socket_is_put_back(served):
    socket = served.segment_dir / "control.sock"
    socket.unlink()
    eventually(socket.exists, "the socket is back")
    follows(served, 2)
    assert "event=control_socket_lost" in served.agent.log


def test_a_socket_that_somebody_put_in_its_place_is_replaced(served):
    socket = served.segment_dir / "control.sock"
    socket.unlink()
    socket.write_text("not a socket")
    eventually(socket.is_socket, "the socket is back")
    follows(served, 2)


def test_status_names_a_missing_control_socket(served):
    served.agent.pause()
    (served.segment_dir / "control.sock").unlink()
    status = served.cachectl("status")
    served.agent.resume()
    assert status.returncode == 5
    assert "control socket" in status.stdout.decode()


def test_a_removed_lock_file_is_locked_again_before_another_agent_starts(served):
    lock = served.segment_dir / "agent.lock"
    lock.unlink()
    eventually(lambda: lock.exists() and lock.read_text().startswith("generation="), "the lock file is back")
    second = second_agent(served)
    assert second.process.wait(PATIENCE_S) == 1
    assert "another bifrost-agent already serves" in second.log
    follows(served, 2)


def test_of_two_agents_the_one_that_lost_its_lock_ends_and_leaves_the_others_files_alone(served):
    first = served.agent
    first.pause()
    (served.segment_dir / "agent.lock").unlink()
    served.start_agent(ready=False)
    eventually(lambda: "event=synced" in served.agent.log, "the second agent serves")
    first.resume()
    assert first.process.wait(PATIENCE_S) == 1
    assert "already serves" in first.log and "removed the lock file" in first.log
    follows(served, 2)
    assert served.agent.process.poll() is None


def test_a_directory_that_is_replaced_is_served_again_with_rising_generations(served):
    before = served.status()["generation"]
    served.segment_dir.rename(served.segment_dir.with_name("away"))
    eventually(lambda: (served.segment_dir / "segment").exists(), "the agent has made the directory anew")
    follows(served, 2)
    assert served.status()["generation"] > before
    assert "event=starting_again" in served.agent.log
    assert served.agent.process.poll() is None


def test_a_directory_that_is_replaced_by_an_older_copy_is_a_later_generation(served):
    copy = served.segment_dir.with_name("copy")
    shutil.copytree(served.segment_dir, copy, ignore=shutil.ignore_patterns("*.sock"))
    follows(served, 2)
    worker = served.worker()
    worker.do("b.begin_execution()")
    before = served.status()["generation"]
    served.segment_dir.rename(served.segment_dir.with_name("away"))
    copy.rename(served.segment_dir)
    eventually(lambda: "event=starting_again" in served.agent.log, "the agent notices")
    served.wait("--ready")
    assert served.status()["generation"] > before
    assert served.run(SOURCE) == [2, "shm"]
    assert worker.do("import shared.halopsa as m; answer = m.VERSION") == 2
    follows(served, 3)


def test_a_removed_chunk_is_read_from_redis_again(served):
    next(served.segment_dir.glob("chunk.*")).unlink()
    eventually(lambda: "event=starting_again" in served.agent.log, "the agent notices")
    served.wait("--ready")
    follows(served, 2)
    assert served.cachectl("verify").returncode == 0


def test_everything_removed_at_once_comes_back(served):
    for file in served.segment_dir.iterdir():
        file.unlink()
    eventually(lambda: {"segment", "agent.lock", "control.sock"} <= {f.name for f in served.segment_dir.iterdir()},
               "the files are back")
    follows(served, 2)
    served.agent.process.send_signal(signal.SIGTERM)
    assert served.agent.process.wait(PATIENCE_S) == 0
