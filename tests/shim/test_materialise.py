"""python -m bifrost_cache materialise: sources as files, for tools that want files."""


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
