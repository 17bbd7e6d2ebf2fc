"""What the nemesis does to a run: each fault is a function of the run that begins, waits a while, and ends it again."""

import json
import signal
import time

from harness import eventually

from nemesis.history import Loss, Write, content_of, now
from nemesis.writers import INDEX, PREFIX, TTL_S, path_of


def nothing(run):
    run.let_pass(0.5)


# --- The network between agent and Redis -----------------------------------------------------------------------------

def pause_network(run):
    run.agent_proxy.held = True
    run.let_pass(run.lease_s * 2)
    run.agent_proxy.heal()


def black_hole(run):
    run.agent_proxy.swallow = True
    run.let_pass(run.lease_s * 2)
    run.agent_proxy.heal()
    run.agent_proxy.reset_all()


def reset_connections(run):
    for _ in range(3):
        run.agent_proxy.reset_all()
        run.let_pass(0.1)


def half_close(run):
    run.agent_proxy.half_close()
    run.let_pass(0.5)


def dribble(run):
    run.agent_proxy.dribble = True
    run.let_pass(0.3)
    run.agent_proxy.heal()


def delay_to_redis(run):
    run.agent_proxy.delay_s["to_redis"] = 0.15
    run.let_pass(1.0)
    run.agent_proxy.heal()


def delay_to_client(run):
    run.agent_proxy.delay_s["to_client"] = 0.15
    run.let_pass(1.0)
    run.agent_proxy.heal()


def delay_one_connection(run):
    run.agent_proxy.only = run.random.choice(["odd", "even"])
    run.agent_proxy.delay_s["to_client"] = 0.1
    run.let_pass(1.0)
    run.agent_proxy.heal()


def network_of_workers(run):
    run.worker_proxy.held = True
    run.let_pass(0.7)
    run.worker_proxy.heal()
    run.worker_proxy.reset_all()


# --- Redis ---------------------------------------------------------------------------------------------------------

def kill_subscribers(run):
    for _ in range(3):
        run.client().client_kill_filter(_type="pubsub")
        run.let_pass(0.1)


def kill_all_clients(run):
    run.client().client_kill_filter(_type="normal", skipme=True)
    run.let_pass(0.3)


def stop_redis(run):
    run.redis.pause()
    run.let_pass(run.lease_s * 1.5)
    run.redis.resume()


def pause_clients(run):
    run.client().execute_command("CLIENT", "PAUSE", "300", "ALL")
    run.let_pass(0.5)


def flush(run):
    begun = now()
    with run.everything_seen() as client:
        client.flushall()
        run.forget_alive()
    note_loss(run, begun)


def flush_and_write_again(run):
    """Writers are back before the agent's first look at the empty database."""
    begun = now()
    with run.everything_seen() as client:
        client.flushall()
        run.rewrite_all(client)
    note_loss(run, begun)


def lose_index(run):
    """Right behind writes, while other writers begin a new one. Then what was written expires, and nobody deletes it."""
    begun = now()
    writer = run.writers[0]
    with writer.gate:
        run.wait_until_seen()  # of an index that is lost and begun anew while no agent listens nobody hears (section 3)
        client = run.client()
        writes = [Write(key, writer.next_version(key), 0, 0) for key in writer.keys]
        pipe = client.pipeline(transaction=False)
        for w in writes:
            writer.queue(pipe, w.key, w.version)
        pipe.unlink(INDEX)
        with writer.noted(writes):
            pipe.execute()
        eventually(lambda: client.exists(INDEX), "there is a new index")
        run.wait_until_seen()  # what expires unread nobody has
        for w in writes:
            client.pexpire(PREFIX + path_of(w.key), 1)
        note_loss(run, begun)
        run.let_pass(run.lease_s)


def note_loss(run, begun):
    run.node.wait("--ready")
    run.node.wait("--fresh")
    run.history.add(Loss(begun, now()))


def swap_databases(run):
    with run.everything_seen() as client:
        other = run.client(db=1)
        other.flushdb()
        writes = []
        for writer in run.writers:
            for key in writer.versions:
                version = writer.versions[key] + 1
                other.setex(PREFIX + path_of(key), TTL_S, json.dumps({"content": content_of(key, version, 3), "hash": "s"}))
                other.sadd(INDEX, path_of(key))
                writes.append((writer, Write(key, version, 0, 0, sweep=True,
                                             group="group" if key in writer.group else "")))
        for writer in run.writers:
            of_writer = [w for owner, w in writes if owner is writer]
            writer.versions.update({w.key: w.version for w in of_writer})
        # Tracking also tells of other databases. What the agent reads again for that must not be what is swapped in.
        run.wait_until_seen()
        with run.writers[0].noted([w for _, w in writes]):
            client.swapdb(0, 1)
        for writer, w in writes:
            writer.alive[w.key] = True
        run.let_pass(run.lease_s * 2)  # a further write would hide what was missed


def restart_redis(run):
    with run.writers_paused():
        run.redis.stop()
        run.redis.start()
    run.let_pass(0.3)


def kill_redis(run):
    run.redis.process.kill()
    run.redis.process.wait(10)
    run.redis.start()
    run.let_pass(0.3)


def restart_redis_empty(run):
    begun = now()
    with run.everything_seen():
        run.redis.stop()
        run.forget_data()
        run.forget_alive()
        run.redis.start()
        note_loss(run, begun)  # before a writer comes back: the agent could not tell otherwise (consistency.md section 3)


def switch_notifications_off(run):
    run.client().config_set("notify-keyspace-events", "")
    run.let_pass(run.lease_s * 1.5)


def fail_over(run):
    run.promote_replica()
    run.let_pass(0.5)


# --- The agent -------------------------------------------------------------------------------------------------------

def kill_agent(run):
    run.node.agent.kill()
    run.let_pass(0.2)
    run.start_agent()


def kill_agent_often(run):
    for _ in range(3):
        run.node.agent.kill()
        run.start_agent()
        time.sleep(run.random.uniform(0.0, 0.15))


def stop_agent(run):
    run.node.agent.process.send_signal(signal.SIGSTOP)
    run.let_pass(run.lease_s * 2)
    run.node.agent.process.send_signal(signal.SIGCONT)


def delete_segment(run):
    (run.node.segment_dir / "segment").unlink(missing_ok=True)
    eventually((run.node.segment_dir / "segment").exists, "the agent publishes its segment again")


def resync(run):
    run.node.cachectl("sync")
    run.let_pass(0.2)


def stop_reader(run):
    reader = run.random.choice(run.readers)
    reader.send_signal(signal.SIGSTOP)
    run.let_pass(run.lease_s * 1.5)
    reader.send_signal(signal.SIGCONT)


ALL = [pause_network, black_hole, reset_connections, half_close, dribble, delay_to_redis, delay_to_client,
       delay_one_connection, network_of_workers, kill_subscribers, kill_all_clients, stop_redis, pause_clients, flush,
       flush_and_write_again, lose_index, swap_databases, restart_redis, kill_redis, restart_redis_empty, switch_notifications_off,
       fail_over, kill_agent, kill_agent_often, stop_agent, delete_segment, resync, stop_reader]


LOSSES = [flush, flush_and_write_again, lose_index, restart_redis_empty]


# --- Only with --on-expiry drop --------------------------------------------------------------------------------------

def expire_silently(run):
    """Keys run out of time while Redis does not look for expired keys, so that nothing is announced."""
    with run.writers_paused() as client:
        client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        writer = run.writers[0]
        for key in writer.keys[:4]:
            writer.put(client, [key], ttl_ns=100_000_000)
            client.pexpire(PREFIX + path_of(key), 100)
        run.let_pass(run.lease_s * 2.5)
        client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "1")
