"""python -m bifrost_cache materialise: sources as files, for tools that want files."""

import pytest


def materialise(node, *arguments, **env):
    return node.python("-m", "bifrost_cache", "materialise", *map(str, arguments), env=env)


def files_below(directory):
    return {str(p.relative_to(directory)): p.read_text() for p in directory.rglob("*") if p.is_file()}


def test_every_module_lies_where_it_is_stored(node, tmp_path):
    node.put("a.py", "A = 'é'\r\n")
    node.put("pkg/__init__.py", "X = 1\n")
    node.put("pkg/sub/deep.py", "")
    node.put("pkg/not-a-name.py", "Y = 1\n")
    node.put("_solutions/s1/mine.py", "Z = 1\n")
    out = tmp_path / "out"
    done = materialise(node, out)
    assert (done.returncode, done.stdout) == (0, f"{out}: 4 files, 4 written\n"), done.stderr
    shared = {"a.py": "A = 'é'\n", "pkg/__init__.py": "X = 1\n", "pkg/sub/deep.py": "", "pkg/not-a-name.py": "Y = 1\n"}
    assert files_below(out) == shared
    assert (out / "a.py").read_bytes() == "A = 'é'\r\n".encode()
    node.put("a.py", "A = 2\n")
    assert materialise(node, out).stdout == f"{out}: 4 files, 1 written\n"
    assert (out / "a.py").read_text() == "A = 2\n"
    mine = tmp_path / "mine"
    materialise(node, mine, "--solution-id", "s1")
    assert files_below(mine) == {"_solutions/s1/mine.py": "Z = 1\n"}
    materialise(node, mine, "--solution-id", "s1", "--global-repo-access")
    assert len(files_below(mine)) == 5


def test_in_the_workspace_itself_file_names_lead_somewhere_and_the_mirror_still_serves(node, tmp_path):
    workspace = tmp_path / "workspace"
    node.put("m.py", "X = 1\n")
    assert materialise(node, BIFROST_WORKSPACE=str(workspace)).returncode == 0
    node.put("m.py", "X = 2\n")
    code = "import m; out.update(x=m.X, there=open(m.__file__).read(), file=m.__file__)"
    out = node.execute(code, {"BIFROST_WORKSPACE": str(workspace)})
    assert out == {"x": 2, "there": "X = 1\n", "file": f"{workspace}/m.py"}
    assert sorted(p.name for p in workspace.iterdir()) == ["m.py"]


def test_a_directory_that_cannot_be_written_is_named(node, tmp_path):
    node.put("m.py", "")
    (tmp_path / "file").write_text("")
    done = materialise(node, tmp_path / "file")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and str(tmp_path / "file") in done.stderr


# --- what Redis holds cannot lead out of the directory ---------------------------------------------------------------

# Of these only a.py and deep/b.py can be modules.
ODD_PATHS = ["../x.py", "../../x.py", "a/../../x.py", "/abs.py", "a//b.py", "a/.py", ".py", "./c.py", "d/./e.py",
             "nul\0.py", "..py", "n" * 1100 + ".py", "index:f.py"]


@pytest.mark.parametrize("source", ["mirror", "redis"])
def test_odd_paths_in_redis_write_nothing_and_end(node, tmp_path, source):
    node.put("a.py", "A = 1\n")
    node.put("deep/b.py", "B = 1\n")
    for path in ODD_PATHS:
        node.put(path, "ODD = 1\n")
    far = tmp_path / "far"
    out = far / "below" / "out"
    env = {} if source == "mirror" else {"BIFROST_SEGMENT_DIR": str(tmp_path / "none")}
    done = materialise(node, out, **env)
    assert (done.returncode, done.stdout) == (0, f"{out}: 2 files, 2 written\n"), done.stderr
    assert files_below(far) == {"below/out/a.py": "A = 1\n", "below/out/deep/b.py": "B = 1\n"}


def test_links_below_the_directory_are_not_followed(node, tmp_path):
    for path in ("linked/a.py", "file.py", "good/b.py", "dangling/c.py"):
        node.put(path, "NEW = 1\n")
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir(), outside.mkdir()
    (outside / "mine.py").write_text("mine")
    (out / "linked").symlink_to(outside)
    (out / "dangling").symlink_to(tmp_path / "nowhere")
    (out / "file.py").symlink_to(outside / "mine.py")
    done = materialise(node, out)
    assert (done.returncode, done.stdout) == (1, f"{out}: 4 files, 2 written, 2 not\n"), done.stderr
    assert "'linked/a.py' was not written: 'linked' is not a directory, and links are not followed" in done.stderr
    assert "'dangling/c.py' was not written" in done.stderr
    assert files_below(outside) == {"mine.py": "mine"}
    assert not (tmp_path / "nowhere").exists()
    assert not (out / "file.py").is_symlink() and (out / "file.py").read_text() == "NEW = 1\n"
    assert (out / "good/b.py").read_text() == "NEW = 1\n"


def test_what_cannot_be_a_file_is_named_and_the_rest_is_written(node, tmp_path):
    for path in ("a.py", "a.py/b.py", "taken.py", "n" * 300 + ".py", "z.py"):
        node.put(path, "X = 1\n")
    out = tmp_path / "out"
    (out / "taken.py").mkdir(parents=True)
    done = materialise(node, out)
    assert done.returncode == 1
    assert "'taken.py' was not written: Is a directory" in done.stderr
    assert f"{'n' * 300}.py' was not written: File name too long" in done.stderr
    assert done.stderr.count(" was not written: ") == 3, "a.py is a file or a directory, not both"
    assert (out / "z.py").read_text() == "X = 1\n"
    assert not list(out.rglob(".*")), "nothing half-written is left"


@pytest.mark.parametrize("solution_id", ["../other", "a/b", ".."])
def test_a_solution_that_can_be_none_is_a_usage_error(node, tmp_path, solution_id):
    done = materialise(node, tmp_path / "out", "--solution-id", solution_id)
    assert done.returncode == 2
    assert "solution_id must be a single path component" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_read_is_named_and_the_rest_is_written(node, tmp_path):
    node.put("a.py", "A = 1\n")
    node.put_raw("bad.py", "no JSON")
    node.put_raw("pkg/__init__.py", "no JSON")
    node.put("pkg/b.py", "B = 1\n")
    node.put("z.py", "Z = 1\n")
    out = tmp_path / "out"
    done = materialise(node, out)
    assert (done.returncode, done.stdout) == (1, f"{out}: 3 files, 3 written, 2 not\n"), done.stderr
    assert "'bad.py' was not written: " in done.stderr and "'pkg/__init__.py' was not written: " in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 2
    assert sorted(files_below(out)) == ["a.py", "pkg/b.py", "z.py"]
