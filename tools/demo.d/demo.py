"""Entry point of tools/demo. Spawned workers import this file again as their main module: it must stay empty for them."""

if __name__ == "__main__":
    import sys

    import story

    sys.exit(story.main())
