"""Entry point of tools/demo. Spawned workers import this file again as their main module: it must stay empty for
them."""

if __name__ == "__main__":
    import pathlib
    import sys

    sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests"))  # for harness

    import story

    sys.exit(story.main())
